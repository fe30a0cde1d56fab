package spanpin

import (
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
	"github.com/spanpin/spanpin/go-bindings/internal/segment"
)

// Options are those of a registry. What is zero comes from the environment, see
// the package's documentation, otherwise it is the default.
type Options struct {
	// ReserveBytes is the address range that is reserved for families and series;
	// memory is taken only as it is used. 0 stands for the core's default.
	ReserveBytes int
	// ExemplarBytes limits the memory of exemplars; 0 stands for 64 MiB.
	ExemplarBytes int
	// NoSelfMetrics leaves the spanpin_* families out of the output.
	NoSelfMetrics bool
	// ScraperIdentity tells how scrapers are told apart.
	ScraperIdentity ScraperIdentity
	// TraceIDLabel and SpanIDLabel are the names under which exemplars show the
	// ids; empty stands for trace_id and span_id.
	TraceIDLabel, SpanIDLabel string
	// KeepNames leaves ids in explicit exemplars under the names that they are given
	// under, such as traceID, for dashboards that look for these. Their values are
	// written in the one format all the same. By default the environment decides, which
	// says no unless SPANPIN_EXEMPLAR_KEEP_NAMES is true.
	KeepNames Toggle
	// TraceURL is where traces are found, with {trace_id} and perhaps {span_id} in it,
	// for families that tell of slow requests.
	TraceURL string
	// MarkSpans is the default of the families' option of this name; by default the
	// environment decides, which says no unless SPANPIN_MARK_SPANS is true.
	MarkSpans Toggle
	// Segment is the path of a file in which processes count together: workers, a
	// program in another language, the next run. It is made if there is none; put it on
	// a tmpfs. Whatever is wrong with it, the registry is made, counts elsewhere, and
	// says so by slog. Empty stands for SPANPIN_SEGMENT, and without that, or with
	// NoSegment, for the process' own memory. ReserveBytes is the greatest size of the file.
	Segment string
	// SegmentMode are the permission bits of the file; one that allows more is not used.
	// 0 stands for 0600.
	SegmentMode fs.FileMode
	// NoSegment keeps the registry in the process' own memory, whatever SPANPIN_SEGMENT
	// says. Segment must then be empty.
	NoSegment bool
	// Strict makes a segment that cannot be used an error of New, with
	// CodeSegmentUnusable, and a metric that it holds in another shape one of the
	// registration, with CodeShapeMismatch.
	Strict bool
}

// ScraperIdentity tells how scrapers are told apart, each of which is shown the
// exemplars since its own last scrape.
type ScraperIdentity uint8

const (
	// DefaultIdentity is ByAddress.
	DefaultIdentity ScraperIdentity = 0
	// ByAddress tells scrapers apart by headers, path and address.
	ByAddress ScraperIdentity = capi.ScraperIdentityAddress
	// NoIdentity takes all scrapers for one.
	NoIdentity ScraperIdentity = capi.ScraperIdentityNone
	// GivenIdentity tells scrapers apart by headers and path only, for scrapers that
	// come from a pool of addresses.
	GivenIdentity ScraperIdentity = capi.ScraperIdentityGiven
)

// Registry holds metric families and writes their exposition. Its methods, and
// those of everything registered in it, may be called from any goroutine.
type Registry struct {
	handle    capi.Registry
	clock     *segment.Clock
	closed    atomic.Bool
	permanent bool
	// What families inherit.
	markSpans bool
	traceURL  string
}

// New makes an empty registry. Its memory is given back when nothing refers to
// the registry, or to a metric of it, any more.
func New(options Options) (*Registry, error) {
	if err := checkABI(); err != nil {
		return nil, err
	}
	if options.ReserveBytes < 0 || options.ExemplarBytes < 0 {
		return nil, &Error{CodeInvalidOption, fmt.Sprintf("ReserveBytes and ExemplarBytes must not be negative, got %d and %d", options.ReserveBytes, options.ExemplarBytes)}
	}
	if err := options.MarkSpans.check("MarkSpans"); err != nil {
		return nil, err
	}
	if err := options.KeepNames.check("KeepNames"); err != nil {
		return nil, err
	}
	if options.NoSegment && options.Segment != "" {
		return nil, &Error{CodeInvalidOption, fmt.Sprintf("Segment %q is given together with NoSegment: leave one of them out", options.Segment)}
	}
	if options.SegmentMode&^fs.ModePerm != 0 {
		return nil, &Error{CodeInvalidOption, fmt.Sprintf("SegmentMode is %v: it must be permission bits only, such as 0600", options.SegmentMode)}
	}
	warnOfEnvironment()
	handle, f := capi.NewRegistry(capi.RegistryOptions{
		ReserveBytes:    uint(options.ReserveBytes),
		ExemplarBytes:   uint(options.ExemplarBytes),
		SelfMetricsOff:  options.NoSelfMetrics,
		ScraperIdentity: uint8(options.ScraperIdentity),
		TraceIDLabel:    options.TraceIDLabel,
		SpanIDLabel:     options.SpanIDLabel,
		KeepNames:       uint8(options.KeepNames),
		TraceURL:        options.TraceURL,
		Segment:         options.Segment,
		SegmentMode:     uint32(options.SegmentMode),
		Strict:          options.Strict,
		SegmentOff:      options.NoSegment,
	})
	if f != nil {
		return nil, of(f)
	}
	r := &Registry{
		handle:    handle,
		clock:     segment.NewClock(capi.MonotonicMs),
		markSpans: options.MarkSpans.or(handle.MarksSpans()),
		traceURL:  strings.Clone(options.TraceURL),
	}
	if r.traceURL == "" {
		r.traceURL = environmentTraceURL()
	}
	// The parts are handed over one by one: an argument that led back to the
	// registry would keep it alive for ever.
	runtime.AddCleanup(r, func(parts registryParts) {
		parts.clock.Close()
		parts.handle.Free()
	}, registryParts{handle, r.clock})
	r.tellOfSegment()
	return r, nil
}

// tellOfSegment logs what there is to say about the segment, each thing once.
func (r *Registry) tellOfSegment() {
	for {
		message, reason := r.handle.TakeSegmentNotice()
		runtime.KeepAlive(r)
		if message == "" {
			return
		}
		slog.Default().Warn("spanpin: "+message, "reason", reason)
	}
}

// SegmentPath is the file in which the registry counts, which may be one beside the
// one asked for; empty for the process' own memory.
func (r *Registry) SegmentPath() string {
	defer runtime.KeepAlive(r)
	return r.handle.SegmentPath()
}

type registryParts struct {
	handle capi.Registry
	clock  *segment.Clock
}

func checkABI() error {
	if linked := capi.LinkedABIVersion(); linked != capi.ABIVersion {
		return &Error{CodeUnsupported, fmt.Sprintf("the linked libspanpin.a has ABI version %d, this module needs %d: take both from one release", linked, capi.ABIVersion)}
	}
	return nil
}

// Default is the registry of the process. Metrics whose options name no registry
// are registered there, and so are those of other languages in the same program
// that use its default registry.
func Default() *Registry {
	r := defaultRegistry()
	// Not while it is made: a handler of the log may ask for it.
	if !toldOfDefault.Swap(true) {
		r.tellOfSegment()
	}
	return r
}

var toldOfDefault atomic.Bool

var defaultRegistry = sync.OnceValue(func() *Registry {
	warnOfEnvironment()
	handle := capi.DefaultRegistry()
	return &Registry{
		handle:    handle,
		clock:     segment.NewClock(capi.MonotonicMs),
		permanent: true,
		markSpans: handle.MarksSpans(),
		traceURL:  environmentTraceURL(),
	}
})

// warnOfEnvironment logs the variables with values that are not allowed. Such ones are
// passed over: a service starts all the same.
var warnOfEnvironment = sync.OnceFunc(func() {
	if f := capi.CheckEnvironment(); f != nil {
		slog.Default().Warn("spanpin: " + f.Message)
	}
})

// environmentTraceURL is the template in the environment, if it is one.
func environmentTraceURL() string {
	template := strings.TrimSpace(os.Getenv("SPANPIN_TRACE_URL"))
	if !utf8.ValidString(template) || checkTraceURL("SPANPIN_TRACE_URL", template) != nil {
		return ""
	}
	return template
}

// Close ends the registry: its goroutine stops, and registering and scraping
// fail with CodeClosed. Metrics may still be used; nobody will see their values.
// Close may be called more than once. On Default() it does nothing.
func (r *Registry) Close() error {
	if !r.permanent && !r.closed.Swap(true) {
		r.clock.Close()
	}
	return nil
}

func (r *Registry) errIfClosed() error {
	if r.closed.Load() {
		return &Error{CodeClosed, "the registry was closed"}
	}
	return nil
}

// SetClock switches the registry to a manual clock, for tests: wallMs is the Unix
// time of new exemplars in milliseconds, monoMs the time by which windows close
// and exemplars grow old. Both stand still until the next SetClock.
func (r *Registry) SetClock(wallMs, monoMs uint64) {
	r.handle.SetClock(wallMs, monoMs)
	r.clock.Set(monoMs)
	runtime.KeepAlive(r)
}

// ScrapeOptions say what a scraper asks for. The zero ScrapeOptions are an
// anonymous scraper that takes what the core prefers, uncompressed.
type ScrapeOptions struct {
	// Accept and AcceptEncoding are the HTTP headers of these names.
	Accept, AcceptEncoding string
	// Scraper is a name that tells this scraper from others. If it is empty, the
	// four parts of a request below do; all empty are one anonymous scraper.
	Scraper string
	// UserAgent and ScrapeTimeout are the headers User-Agent and
	// X-Prometheus-Scrape-Timeout-Seconds, Path is path and query, and Peer the
	// address without its port.
	UserAgent, ScrapeTimeout, Path, Peer string
	// Deadline is how long the scrape may take; 0 is no limit.
	Deadline time.Duration
}

// Exposition is the answer to a scrape.
type Exposition struct {
	ContentType string
	// ContentEncoding is "gzip" or empty.
	ContentEncoding string
	Body            []byte
}

// Scrape writes all families. In OpenMetrics, which shows exemplars, it also
// closes the open window, as every scraper does.
func (r *Registry) Scrape(options ScrapeOptions) (Exposition, error) {
	result, err := r.scrape(options)
	if err != nil {
		return Exposition{}, err
	}
	defer result.Free()
	return Exposition{
		ContentType:     result.ContentType(),
		ContentEncoding: result.ContentEncoding(),
		Body:            append([]byte(nil), result.Body()...),
	}, nil
}

// ExemplarsJSON is every exemplar that the registry holds as JSON, in the shape of
// Prometheus' answer to query_exemplars: for each sample its labels and its
// exemplars, oldest first. It takes nothing from any scraper.
func (r *Registry) ExemplarsJSON() ([]byte, error) {
	if err := r.errIfClosed(); err != nil {
		return nil, err
	}
	result, f := r.handle.ExemplarsJSON()
	runtime.KeepAlive(r)
	if f != nil {
		return nil, of(f)
	}
	defer result.Free()
	return append([]byte(nil), result.Body()...), nil
}

// scrape leaves the answer in the memory of the core.
func (r *Registry) scrape(options ScrapeOptions) (*capi.Result, error) {
	if err := r.errIfClosed(); err != nil {
		return nil, err
	}
	deadline := max(0, options.Deadline.Milliseconds())
	if options.Deadline > 0 {
		deadline = max(1, deadline)
	}
	result, f := r.handle.Scrape(capi.ScrapeOptions{
		Accept:         options.Accept,
		AcceptEncoding: options.AcceptEncoding,
		DeadlineMs:     uint32(min(deadline, math.MaxUint32)),
		Scraper:        options.Scraper,
		UserAgent:      options.UserAgent,
		ScrapeTimeout:  options.ScrapeTimeout,
		Path:           options.Path,
		Peer:           options.Peer,
	})
	runtime.KeepAlive(r)
	r.tellOfSegment()
	if f != nil {
		return nil, of(f)
	}
	return result, nil
}
