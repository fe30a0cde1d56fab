package spanpin

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// segmentFolder is a folder on a tmpfs, where segments belong.
func segmentFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "spanpin-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// warnings are what slog says while the test runs.
func warnings(t *testing.T) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &out
}

func openSegment(t *testing.T, options Options) *Registry {
	t.Helper()
	r, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func pageOf(t *testing.T, r *Registry) string {
	t.Helper()
	page, err := r.Scrape(ScrapeOptions{Accept: "application/openmetrics-text"})
	if err != nil {
		t.Fatal(err)
	}
	return string(page.Body)
}

func TestRegistriesOfOneSegmentCountTogether(t *testing.T) {
	out := warnings(t)
	path := filepath.Join(segmentFolder(t), "a")
	for run := range 2 {
		one, two := openSegment(t, Options{Segment: path, SegmentMode: 0o640}), openSegment(t, Options{Segment: path, SegmentMode: 0o640})
		for _, r := range []*Registry{one, two} {
			h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1}})
			_, sampled := spanWith(uint64(run)+1, 1)
			h.ObserveTrace(0.5, sampled)
			if r.SegmentPath() != path {
				t.Fatalf("%q in place of %q", r.SegmentPath(), path)
			}
		}
		want := []string{"h_bucket{le=\"1.0\"} 2 # {trace_id=", "h_bucket{le=\"1.0\"} 4 # {trace_id="}[run]
		for _, r := range []*Registry{one, two} {
			if page := pageOf(t, r); !strings.Contains(page, want) {
				t.Errorf("no %q in:\n%s", want, page)
			}
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if out.Len() != 0 {
		t.Error(out)
	}
}

func TestTroubleWithASegmentIsLoggedOnce(t *testing.T) {
	out := warnings(t)
	path := filepath.Join(segmentFolder(t), "a")
	if err := os.WriteFile(path, []byte(strings.Repeat("something else", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := openSegment(t, Options{Segment: path})
	for range 2 {
		if page := pageOf(t, damaged); !strings.Contains(page, "spanpin_segment_degraded{reason=\"damaged\"} 1") {
			t.Error(page)
		}
	}
	if got := out.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "remove the file") || !strings.Contains(got, "reason=damaged") {
		t.Errorf("logged: %s", got)
	}
	out.Reset()
	MustNewCounterVec(CounterOpts{Registry: damaged, Name: "c"}, []string{"old"})
	again := openSegment(t, Options{Segment: damaged.SegmentPath()})
	if out.Len() != 0 {
		t.Error(out)
	}
	MustNewCounterVec(CounterOpts{Registry: again, Name: "c"}, []string{"new"})
	if got := out.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "reason=shape") {
		t.Errorf("logged: %s", got)
	}
}

func TestAStrictSegmentIsAnError(t *testing.T) {
	out := warnings(t)
	folder := segmentFolder(t)
	path := filepath.Join(folder, "a")
	strict := openSegment(t, Options{Segment: path, Strict: true})
	MustNewCounterVec(CounterOpts{Registry: openSegment(t, Options{Segment: path}), Name: "c"}, []string{"old"})
	var e *Error
	if _, err := NewCounterVec(CounterOpts{Registry: strict, Name: "c"}, []string{"new"}); !errors.As(err, &e) || e.Code != CodeShapeMismatch {
		t.Errorf("%v", err)
	}
	if _, err := New(Options{Segment: filepath.Join(folder, "none", "a"), Strict: true}); !errors.Is(err, &Error{Code: CodeSegmentUnusable}) || !strings.Contains(err.Error(), "make the directory") {
		t.Errorf("%v", err)
	}
	for _, mode := range []os.FileMode{0o755, os.ModeSetuid | 0o600} {
		if _, err := New(Options{Segment: path, SegmentMode: mode}); !errors.As(err, &e) || e.Code != CodeInvalidOption {
			t.Errorf("%v: %v", mode, err)
		}
	}
	if out.Len() != 0 {
		t.Error(out)
	}
}

func TestNoSegmentAndASegmentContradictEachOther(t *testing.T) {
	var e *Error
	if _, err := New(Options{Segment: "/dev/shm/a", NoSegment: true}); !errors.As(err, &e) || e.Code != CodeInvalidOption || !strings.Contains(e.Message, "NoSegment") {
		t.Errorf("%v", err)
	}
}

func TestTheEnvironmentNamesASegment(t *testing.T) {
	path := filepath.Join(segmentFolder(t), "a")
	got := inEnvironment(t, "SPANPIN_SEGMENT="+path, "SPANPIN_SEGMENT_MODE=0640")
	if want := "segments " + strings.Repeat(path+" ", 3) + "none: end\n"; !strings.Contains(got, want) {
		t.Errorf("no %q in:\n%s", want, got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v", err)
	}
}

func gaugeIn(t *testing.T, r *Registry) (g *Gauge, shows func(want float64, line string)) {
	t.Helper()
	g = MustNewGauge(GaugeOpts{Registry: r, Name: "g"})
	return g, func(want float64, line string) {
		t.Helper()
		if page := pageOf(t, r); g.Value() != want || !strings.Contains(page, "\ng "+line+"\n") {
			t.Errorf("value is %v, want %v and %q in:\n%s", g.Value(), want, line, page)
		}
	}
}

func TestOneProcessSeesAGaugeAsAnyOther(t *testing.T) {
	shared := openSegment(t, Options{Segment: filepath.Join(segmentFolder(t), "a")})
	for _, r := range []*Registry{shared, openSegment(t, Options{})} {
		g, shows := gaugeIn(t, r)
		shows(0, "0.0")
		g.Add(2)
		g.Dec()
		g.Sub(0.5)
		shows(0.5, "0.5")
		g.Set(5)
		shows(5, "5.0")
		g.Inc()
		shows(6, "6.0")
	}
}

// workerRole makes the test binary a worker on the segment of this path.
const workerRole = "SPANPIN_TEST_WORKER"

// programOfWorker adds to a gauge, says so, and lives until it is killed.
func programOfWorker() {
	r, err := New(Options{Segment: os.Getenv(workerRole)})
	if err != nil {
		panic(err)
	}
	g := MustNewGauge(GaugeOpts{Registry: r, Name: "g"})
	for range 10 {
		g.Inc()
	}
	os.Stdout.WriteString("!")
	io.Copy(io.Discard, os.Stdin)
}

func TestAKilledWorkerDropsOutOfAGauge(t *testing.T) {
	path := filepath.Join(segmentFolder(t), "a")
	r := openSegment(t, Options{Segment: path})
	g, shows := gaugeIn(t, r)
	g.Inc()
	g.Inc()
	other := openSegment(t, Options{Segment: path})
	MustNewGauge(GaugeOpts{Registry: other, Name: "g"}).Add(100)
	shows(102, "102.0")
	// Twice: the second one finds the slot and the cell of the first.
	for range 2 {
		words := append(strings.Fields(os.Getenv(emulator)), os.Args[0])
		worker := exec.Command(words[0], words[1:]...)
		worker.Env = append(os.Environ(), workerRole+"="+path)
		in, errIn := worker.StdinPipe()
		out, errOut := worker.StdoutPipe()
		if err := errors.Join(errIn, errOut, worker.Start()); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		shows(112, "112.0")
		if err := worker.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = worker.Wait()
		_ = in.Close()
		shows(102, "102.0")
	}
	g.Sub(2)
	shows(100, "100.0")
}
