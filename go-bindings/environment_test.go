package spanpin

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// environmentRole makes the test binary a program that is started in an environment.
const environmentRole = "SPANPIN_TEST_ENVIRONMENT_ROLE"

// emulator is the variable with the command that test binaries are started with, if
// the machine cannot do it by itself.
const emulator = "SPANPIN_TEST_EMULATOR"

func TestMain(m *testing.M) {
	if os.Getenv(environmentRole) != "" {
		programInEnvironment()
		os.Exit(0)
	}
	if os.Getenv(workerRole) != "" {
		programOfWorker()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// programInEnvironment prints what its environment leads to.
func programInEnvironment() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stdout, nil)))
	explicit, err := New(Options{MarkSpans: Off, TraceURL: "http://mine/{trace_id}"})
	if err != nil {
		panic(err)
	}
	another, err := New(Options{})
	if err != nil {
		panic(err)
	}
	apart, err := New(Options{NoSegment: true, KeepNames: Off})
	if err != nil {
		panic(err)
	}
	fmt.Println("segments", Default().SegmentPath(), explicit.SegmentPath(), another.SegmentPath(), "none:"+apart.SegmentPath(), "end")
	for name, r := range map[string]*Registry{"another": another, "apart": apart} {
		jobs := MustNewCounter(CounterOpts{Registry: r, Name: "jobs"})
		jobs.AddExemplar(1, Exemplar{Labels: []Label{{"TraceId", "0af7651916cd43dd8448eb211c80319c"}}})
		fmt.Println(name, "shows", jobs.Exemplars()[0].Labels)
	}
	_, unsampled := spanWith(1, 0)
	for name, r := range map[string]*Registry{"default": Default(), "explicit": explicit, "another": another} {
		o := HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1}, SlowRequestThreshold: 0.9}
		if name == "explicit" {
			o.Filter, o.MinimumValue, o.Slots, o.Adaptive = TraceBased, 0.1, 5, &Adaptive{Off: true}
		}
		h := MustNewHistogram(o)
		h.ObserveTrace(0.2, unsampled)
		h.ObserveTrace(0.7, unsampled)
		fmt.Println(name, "exemplars", len(h.Exemplars()), "marks", h.offers.rules.markSpans, "url", h.offers.rules.traceURL, "draws", h.series.Draws)
	}
}

func inEnvironment(t *testing.T, variables ...string) string {
	t.Helper()
	words := append(strings.Fields(os.Getenv(emulator)), os.Args[0])
	command := exec.Command(words[0], words[1:]...)
	command.Env = append(append(os.Environ(), environmentRole+"=1"), variables...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestTheEnvironmentGivesDefaults(t *testing.T) {
	got := inEnvironment(t, "OTEL_METRICS_EXEMPLAR_FILTER=always_on", "SPANPIN_EXEMPLAR_MINIMUM_VALUE=0.5",
		"SPANPIN_MARK_SPANS=true", "SPANPIN_TRACE_URL=http://t/{trace_id}", "SPANPIN_EXEMPLAR_ADAPTIVE=true")
	for _, want := range []string{
		"default exemplars 1 marks true url http://t/{trace_id} draws true\n",
		"another exemplars 1 marks true url http://t/{trace_id} draws true\n",
		"explicit exemplars 0 marks false url http://mine/{trace_id} draws false\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "WARN") {
		t.Errorf("a warning in:\n%s", got)
	}
}

func TestWhatIsNotUTF8IsLoggedAndPassedOver(t *testing.T) {
	got := inEnvironment(t, "SPANPIN_TRACE_URL=http://t/caf\xe9/{trace_id}", "SPANPIN_MARK_SPANS=1")
	if strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "SPANPIN_TRACE_URL") || !strings.Contains(got, "it must be UTF-8, which it is not") {
		t.Errorf("no single warning in:\n%s", got)
	}
	if !strings.Contains(got, "default exemplars 0 marks true url  draws false\n") {
		t.Errorf("the other variables do not hold in:\n%s", got)
	}
}

func TestCodeSwitchesOffWhatTheEnvironmentSwitchesOn(t *testing.T) {
	got := inEnvironment(t, "SPANPIN_EXEMPLAR_KEEP_NAMES=true")
	for _, want := range []string{"another shows [{TraceId ", "apart shows []\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestABadVariableIsLoggedOnceAndPassedOver(t *testing.T) {
	got := inEnvironment(t, "OTEL_METRICS_EXEMPLAR_FILTER=sometimes", "SPANPIN_TRACE_URL=http://t/", "SPANPIN_MARK_SPANS=1")
	want := `level=WARN msg="spanpin: environment variable OTEL_METRICS_EXEMPLAR_FILTER is \"sometimes\": it must be trace_based, always_on or always_off; environment variable SPANPIN_TRACE_URL: trace_url \"http://t/\" names no trace: put {trace_id} where its 32 hexadecimal digits belong"`
	if strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, want) {
		t.Errorf("no single %q in:\n%s", want, got)
	}
	if !strings.Contains(got, "default exemplars 0 marks true url  draws false\n") {
		t.Errorf("the other variables do not hold in:\n%s", got)
	}
}
