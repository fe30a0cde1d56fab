// The Go rows of the benches: spanpin and client_golang, workload by workload in
// one process, each measured in wall time, process CPU time and allocations.
//
// One run is one round: a JSON line for each row. benches/run.py makes the rounds
// and takes the medians.
//
// With -cost it measures instead what exemplars cost over an observation without,
// in so many interleaved rounds: go run . -cost 25
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// work is a workload done by one engine.
type work struct {
	// run does it n times; threads start at different inputs.
	run func(thread, n int)
	// check tells what is wrong with the exposition after total times in all.
	check func(total int) error
}

// engine makes the work of each workload.
type engine struct {
	name string
	work map[string]func() work
}

// workloads in the order of the table, with the threads that make sense.
var workloads = []struct {
	name    string
	threads []int
}{
	{"observe", []int{1, 2}},
	{"labels_observe", []int{1, 2}},
	{"observe_exemplar_offered", []int{1, 2}},
	{"observe_exemplar_kept", []int{1, 2}},
	{"counter_inc", []int{1, 2}},
	{"scrape_1000", []int{1}},
}

// row is what is written for a measurement.
type row struct {
	Workload string  `json:"workload"`
	Engine   string  `json:"engine"`
	Language string  `json:"language"`
	Threads  int     `json:"threads"`
	Ns       float64 `json:"ns_per_op"`
	CPUNs    float64 `json:"cpu_ns_per_op"`
	Bytes    float64 `json:"bytes_per_op"`
	Allocs   float64 `json:"allocs_per_op"`
}

func main() {
	least := flag.Duration("time", 200*time.Millisecond, "CPU time that a measurement takes at least")
	swap := flag.Bool("swap", false, "measure client_golang first")
	rounds := flag.Int("cost", 0, "measure the cost of exemplars in so many rounds, and nothing else")
	flag.Parse()
	if *rounds > 0 {
		if err := cost(os.Stdout, *rounds, *least/4); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	engines := []engine{pinned(), clientGolang()}
	if *swap {
		engines[0], engines[1] = engines[1], engines[0]
	}
	out := json.NewEncoder(os.Stdout)
	for _, w := range workloads {
		for _, threads := range w.threads {
			for _, e := range engines {
				r, err := measure(e.work[w.name](), threads, *least)
				if err != nil {
					fmt.Fprintf(os.Stderr, "%s, %s: wrong answer: %v\n", w.name, e.name, err)
					os.Exit(1)
				}
				r.Workload, r.Engine, r.Language, r.Threads = w.name, e.name, "go", threads
				if err := out.Encode(r); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		}
	}
}

// measure does the work ever more often until that takes long enough, and then
// looks at what the engine exposes.
func measure(w work, threads int, least time.Duration) (row, error) {
	runtime.GOMAXPROCS(threads)
	total := 0
	for n := threads; ; {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start, cpu := time.Now(), cpuTime()
		inThreads(w, threads, n)
		took, cpu := time.Since(start), cpuTime()-cpu
		runtime.ReadMemStats(&after)
		total += n
		if cpu >= least {
			ops := float64(n)
			loop := emptyLoop()
			return row{
				Ns:     float64(took.Nanoseconds())/ops - loop/float64(threads),
				CPUNs:  float64(cpu.Nanoseconds())/ops - loop,
				Bytes:  float64(after.TotalAlloc-before.TotalAlloc) / ops,
				Allocs: float64(after.Mallocs-before.Mallocs) / ops,
			}, w.check(total)
		}
		if cpu < least/100 {
			n *= 10
		} else {
			n = int(float64(n)*1.2*float64(least)/float64(cpu)) + threads
		}
	}
}

// emptyLoop is what the loop of a workload costs by itself, in nanoseconds: its
// counter, and the load of the value.
func emptyLoop() float64 {
	const n = 20_000_000
	least := math.Inf(1)
	values := valuesFrom(0)
	for range 3 {
		start := cpuTime()
		for i := range uint(n) {
			take(values[i%valueCount])
		}
		least = min(least, float64((cpuTime()-start).Nanoseconds())/n)
	}
	return least
}

// take is inlined, so that only the load of its argument is left.
func take(v float64) {
	if v < 0 {
		panic("a duration is not negative")
	}
}

func inThreads(w work, threads, n int) {
	if threads == 1 {
		w.run(0, n)
		return
	}
	var group sync.WaitGroup
	for thread := range threads {
		share := n / threads
		if thread < n%threads {
			share++
		}
		group.Add(1)
		go func() {
			defer group.Done()
			w.run(thread, share)
		}()
	}
	group.Wait()
}

// cpuTime is that of the whole process, the garbage collector included.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
