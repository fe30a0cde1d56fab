package spanpin

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestRemovedSeriesAreGone(t *testing.T) {
	r := newRegistry(t)
	counters := MustNewCounterVec(CounterOpts{Name: "c", Registry: r}, []string{"l"})
	gauges := MustNewGaugeVec(GaugeOpts{Name: "g", Registry: r}, []string{"l"})
	histograms := MustNewHistogramVec(HistogramOpts{Name: "h", Buckets: []float64{1}, Registry: r}, []string{"l"})
	c, g, h := counters.WithLabelValues("a"), gauges.WithLabelValues("a"), histograms.WithLabelValues("a")
	c.Inc()
	g.Set(3)
	h.Observe(0.5)
	for _, remove := range []func(...string) (bool, error){counters.Remove, gauges.Remove, histograms.Remove} {
		if removed, err := remove("a"); !removed || err != nil {
			t.Errorf("Remove is %v, %v", removed, err)
		}
		if removed, err := remove("a"); removed || err != nil {
			t.Errorf("the second Remove is %v, %v", removed, err)
		}
		if _, err := remove(); err == nil {
			t.Error("Remove without values is no error")
		}
	}
	if body := pageOf(t, r); strings.Contains(body, `l="a"`) {
		t.Errorf("still there:\n%s", body)
	}
	c.Add(2.5)
	g.Add(4)
	g.Inc()
	h.Observe(0.5)
	h.ObserveTrace(0.5, Sampled(TraceID{1}, SpanID{1}))
	h.ObserveExemplar(2, Exemplar{Trace: Sampled(TraceID{1}, SpanID{1})})
	if g.Value() != 0 {
		t.Errorf("a removed gauge is %v", g.Value())
	}
	again := counters.WithLabelValues("a")
	again.Inc()
	if again == c {
		t.Error("the same Counter after it was removed")
	}
	body := pageOf(t, r)
	for _, want := range []string{
		`c_total{l="a"} 1`, `c_total{l="spanpin_overflow"} 2.5`, `g{l="spanpin_overflow"} 5.0`,
		`h_bucket{l="spanpin_overflow",le="+Inf"} 3`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, "trace_id") {
		t.Errorf("an exemplar of a removed series:\n%s", body)
	}
	if err := counters.Clear(); err != nil {
		t.Error(err)
	}
	if body := pageOf(t, r); strings.Contains(body, `c_total{l="a"}`) {
		t.Errorf("not cleared:\n%s", body)
	}
}

// What a registry remembers of label values does not grow with those that were removed,
// and no observation is lost or comes twice.
func TestSeriesComeAndGo(t *testing.T) {
	r, err := New(Options{ReserveBytes: 16 << 20, NoSelfMetrics: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	vec := MustNewCounterVec(CounterOpts{Name: "c", MaxSeries: 1000, Registry: r}, []string{"l"})
	const workers, each, alive = 4, 5000, 50
	run := func(round int) {
		var group sync.WaitGroup
		for w := range workers {
			group.Add(1)
			go func() {
				defer group.Done()
				for i := range each {
					name := func(i int) string { return fmt.Sprint(round, ".", w, ".", i) }
					c := vec.WithLabelValues(name(i))
					c.Inc()
					vec.WithLabelValues(name(i)).Add(1)
					if i >= alive {
						if removed, err := vec.Remove(name(i - alive)); !removed || err != nil {
							t.Errorf("Remove is %v, %v", removed, err)
						}
					}
				}
			}()
		}
		group.Wait()
		body := pageOf(t, r)
		if got := strings.Count(body, "} 2\n"); got != workers*alive {
			t.Errorf("%d series have counted 2, want %d", got, workers*alive)
		}
		if strings.Contains(body, "spanpin_overflow\"}") {
			t.Error("something was counted as overflow")
		}
		if err := vec.Clear(); err != nil {
			t.Error(err)
		}
	}
	run(0)
	slots, known := len(vec.family.table.Load().slots), len(vec.family.known)
	if slots > 16*workers*alive || known > 16*workers*alive {
		t.Errorf("%d slots and %d metrics for %d series", slots, known, workers*alive)
	}
	run(1)
	runtime.KeepAlive(r)
}
