package segment

import (
	"sync"
	"sync/atomic"
	"time"
)

// tick is how often a running Clock reads the monotonic clock. Windows close by
// time after TurnMs, so they may stay open this much longer.
const tick = 500 * time.Millisecond

// Clock is a coarse monotonic time in milliseconds, on the clock by which the
// core opens its windows. Reading it is one load: a goroutine stores the time
// twice a second. The goroutine starts at the first reading, so a program that
// offers no exemplars has none.
type Clock struct {
	now  func() uint64
	ms   atomic.Uint64
	idle atomic.Bool
	// manual is set with the lock held.
	manual atomic.Bool

	mu     sync.Mutex
	closed bool
	stop   chan struct{}
}

// NewClock makes a Clock over a source of milliseconds. The goroutine keeps the
// Clock and the source alive until Close, and nothing else.
func NewClock(now func() uint64) *Clock {
	c := &Clock{now: now}
	c.idle.Store(true)
	return c
}

// Since is the time that passed since a moment in milliseconds, 0 for a moment
// that is still to come.
func (c *Clock) Since(ms uint64) uint64 {
	if c.idle.Load() {
		c.start()
	}
	now := c.ms.Load()
	if now < ms {
		return 0
	}
	return now - ms
}

// Set switches to a manual clock that shows ms until the next Set.
func (c *Clock) Set(ms uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halt()
	c.manual.Store(true)
	c.ms.Store(ms)
	c.idle.Store(false)
}

// IsManual tells whether the clock shows what Set says.
func (c *Clock) IsManual() bool { return c.manual.Load() }

// Close stops the goroutine for good. The Clock then stands still.
func (c *Clock) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halt()
	c.closed = true
	c.idle.Store(false)
}

// Running tells whether the goroutine runs.
func (c *Clock) Running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stop != nil
}

func (c *Clock) halt() {
	if c.stop != nil {
		close(c.stop)
		c.stop = nil
	}
}

func (c *Clock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.manual.Load() || c.stop != nil {
		return
	}
	c.stop = make(chan struct{})
	c.ms.Store(c.now())
	c.idle.Store(false)
	go c.run(c.stop)
}

func (c *Clock) run(stop <-chan struct{}) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			c.store(stop)
		}
	}
}

// store takes the lock so that a tick under way cannot overwrite a manual time.
func (c *Clock) store(stop <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-stop:
	default:
		c.ms.Store(c.now())
	}
}
