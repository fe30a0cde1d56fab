package spanpin

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHistory(t *testing.T) {
	r := manual(t)
	_, first := sampledSpan(1)
	_, second := sampledSpan(2)
	v := MustNewHistogramVec(HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1, 2}}, []string{"route"})
	h, other := v.WithLabelValues("/a"), v.WithLabelValues("/b")
	if got := h.Exemplars(); len(got) != 0 {
		t.Errorf("a new histogram holds %v", got)
	}
	h.ObserveTrace(0.5, first, Label{"user", "u"}, Label{"request", "r"})
	r.SetClock(1_700_000_001_000, 1_001_000)
	h.ObserveExemplar(1.5, Exemplar{Labels: []Label{{"traceID", strings.ToUpper(second.TraceID().String())}}})
	page(t, r, openMetrics, "a")
	r.SetClock(1_700_000_002_500, 1_002_500)
	h.ObserveTrace(0.25, second)
	other.ObserveTrace(0.75, first)
	got := h.Exemplars()
	want := []ExemplarRecord{
		{0.25, time.UnixMilli(1_700_000_002_500), second.TraceID(), second.SpanID(), nil},
		{1.5, time.UnixMilli(1_700_000_001_000), second.TraceID(), SpanID{}, nil},
		{0.5, time.UnixMilli(1_700_000_000_000), first.TraceID(), first.SpanID(), []Label{{"user", "u"}, {"request", "r"}}},
	}
	same := func(a, b ExemplarRecord) bool {
		return a.Value == b.Value && a.Time.Equal(b.Time) && a.TraceID == b.TraceID && a.SpanID == b.SpanID && slices.Equal(a.Labels, b.Labels)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("history is %v, want %v", got, want)
	}
	// Reading takes nothing from a scraper.
	if shown := exemplars(page(t, r, openMetrics, "a"))[`h_bucket{route="/a",le="1.0"}`]; !strings.Contains(shown, second.TraceID().String()) {
		t.Errorf("exemplar is %q", shown)
	}

	text, err := r.ExemplarsJSON()
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Status string
		Data   []struct {
			SeriesLabels map[string]string
			Exemplars    []struct {
				Labels    map[string]string
				Value     string
				Timestamp float64
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" || len(answer.Data) != 3 {
		t.Fatalf("%v in %s", err, text)
	}
	series := answer.Data[0]
	if series.SeriesLabels["__name__"] != "h_bucket" || series.SeriesLabels["route"] != "/a" || series.SeriesLabels["le"] != "1.0" {
		t.Errorf("series labels are %v", series.SeriesLabels)
	}
	if len(series.Exemplars) != 2 || series.Exemplars[0].Labels["user"] != "u" || series.Exemplars[1].Timestamp != 1_700_000_002.5 {
		t.Errorf("exemplars are %v", series.Exemplars)
	}
	_ = r.Close()
	if _, err := r.ExemplarsJSON(); !errors.Is(err, &Error{Code: CodeClosed}) {
		t.Errorf("a closed registry answered %v", err)
	}
}

func TestKeepNames(t *testing.T) {
	for keep, name := range map[bool]string{false: "trace_id", true: "TraceId"} {
		r, err := New(Options{ReserveBytes: 1 << 20, KeepNames: keep})
		if err != nil {
			t.Fatal(err)
		}
		h := MustNewHistogram(HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1}})
		h.ObserveExemplar(0.5, Exemplar{Labels: []Label{{"TraceId", "A3CE929D0E0E4736"}, {"request", "r"}}})
		want := "{" + name + `="0000000000000000a3ce929d0e0e4736",request="r"} 0.5`
		if got := exemplars(page(t, r, openMetrics, "a"))[`h_bucket{le="1.0"}`]; !strings.HasPrefix(got, want) {
			t.Errorf("KeepNames %v: exemplar is %q, want %q", keep, got, want)
		}
	}
}

// environmentRole makes the test binary a program that is started in an environment.
const environmentRole = "SPANPIN_TEST_ENVIRONMENT_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(environmentRole) != "" {
		programInEnvironment()
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
	_, unsampled := spanWith(1, 0)
	for name, r := range map[string]*Registry{"default": Default(), "explicit": explicit, "another": another} {
		o := HistogramOpts{Registry: r, Name: "h", Buckets: []float64{1}, SlowRequestThreshold: 0.9}
		if name == "explicit" {
			o.Filter, o.MinimumValue, o.Slots = TraceBased, 0.1, 5
		}
		h := MustNewHistogram(o)
		h.ObserveTrace(0.2, unsampled)
		h.ObserveTrace(0.7, unsampled)
		fmt.Println(name, "exemplars", len(h.Exemplars()), "marks", h.offers.rules.markSpans, "url", h.offers.rules.traceURL)
	}
}

func inEnvironment(t *testing.T, variables ...string) string {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(append(os.Environ(), environmentRole+"=1"), variables...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestTheEnvironmentGivesDefaults(t *testing.T) {
	got := inEnvironment(t, "OTEL_METRICS_EXEMPLAR_FILTER=always_on", "SPANPIN_EXEMPLAR_MINIMUM_VALUE=0.5",
		"SPANPIN_MARK_SPANS=true", "SPANPIN_TRACE_URL=http://t/{trace_id}")
	for _, want := range []string{
		"default exemplars 1 marks true url http://t/{trace_id}\n",
		"another exemplars 1 marks true url http://t/{trace_id}\n",
		"explicit exemplars 0 marks false url http://mine/{trace_id}\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "WARN") {
		t.Errorf("a warning in:\n%s", got)
	}
}

func TestABadVariableIsLoggedOnceAndPassedOver(t *testing.T) {
	got := inEnvironment(t, "OTEL_METRICS_EXEMPLAR_FILTER=sometimes", "SPANPIN_TRACE_URL=http://t/", "SPANPIN_MARK_SPANS=1")
	want := `level=WARN msg="spanpin: environment variable OTEL_METRICS_EXEMPLAR_FILTER is \"sometimes\": it must be trace_based, always_on or always_off"`
	if strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, want) {
		t.Errorf("no single %q in:\n%s", want, got)
	}
	if !strings.Contains(got, "default exemplars 0 marks true url \n") {
		t.Errorf("the other variables do not hold in:\n%s", got)
	}
}
