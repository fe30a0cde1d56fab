package spanpin

import (
	"encoding/json"
	"errors"
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
	for keep, name := range map[Toggle]string{Inherit: "trace_id", Off: "trace_id", On: "TraceId"} {
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
