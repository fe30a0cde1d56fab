package spanpin

import (
	"runtime"

	"github.com/spanpin/spanpin/go-bindings/internal/capi"
	"github.com/spanpin/spanpin/go-bindings/internal/segment"
)

// Gauge is a value that goes up and down. It may take any value, NaN and the
// infinities included. It has no exemplars.
//
// All methods may be called from any goroutine, none fails and none allocates.
type Gauge struct {
	series   segment.Gauge
	registry *Registry
}

// GaugeVec is a family of gauges, told apart by label values.
type GaugeVec struct{ family family[Gauge] }

// NewGauge registers a gauge without labels. The error is an *Error.
func NewGauge(o GaugeOpts) (*Gauge, error) {
	v, err := NewGaugeVec(o, nil)
	if err != nil {
		return nil, err
	}
	return v.GetMetricWithLabelValues()
}

// MustNewGauge is NewGauge that panics if the registration fails.
func MustNewGauge(o GaugeOpts) *Gauge { return must(NewGauge(o)) }

// NewGaugeVec registers a family of gauges with these label names. The error, an
// *Error, tells of an invalid, reserved or duplicate name, or of a unit that is
// not the suffix of the name.
func NewGaugeVec(o GaugeOpts, labelNames []string) (*GaugeVec, error) {
	v := &GaugeVec{}
	err := v.family.register(familyOpts{o.Registry, o.MaxSeries, exemplarOpts{}, capi.FamilyOptions{
		Kind: capi.KindGauge, Name: o.Name, Help: o.Help, Unit: o.Unit, LabelNames: labelNames,
	}})
	if err != nil {
		return nil, err
	}
	v.family.detached = func() *Gauge {
		return &Gauge{series: segment.NewGauge(v.family.registry.detachedSeries(1), nil), registry: v.family.registry}
	}
	v.family.open = func(f *family[Gauge], values []string) (*Gauge, capi.View, error) {
		handle, failure := f.handle.Gauge(values)
		if failure != nil {
			return nil, capi.View{}, of(failure)
		}
		view, failure := handle.View()
		if failure != nil {
			return nil, capi.View{}, of(failure)
		}
		return &Gauge{series: segment.NewGauge(f.series(view), handle.Series()), registry: f.registry}, view, nil
	}
	return v, nil
}

// MustNewGaugeVec is NewGaugeVec that panics if the registration fails.
func MustNewGaugeVec(o GaugeOpts, labelNames []string) *GaugeVec {
	return must(NewGaugeVec(o, labelNames))
}

// WithLabelValues is the gauge of these label values, in the order of the label
// names. It panics if their number is wrong, and fails in no other way: over
// MaxSeries it is the overflow series.
func (v *GaugeVec) WithLabelValues(values ...string) *Gauge {
	return v.family.mustMetric(values)
}

// GetMetricWithLabelValues is WithLabelValues that returns an error instead of a
// panic.
func (v *GaugeVec) GetMetricWithLabelValues(values ...string) (*Gauge, error) {
	return v.family.metric(values)
}

// Remove removes the gauge of these label values from the page, and tells whether there
// was one, as CounterVec.Remove does. Its value is 0 from here on.
func (v *GaugeVec) Remove(values ...string) (bool, error) { return v.family.remove(values) }

// Clear removes all gauges of the family, as Remove does.
func (v *GaugeVec) Clear() error { return v.family.clear() }

// Set makes v the value.
func (g *Gauge) Set(v float64) {
	g.series.Set(v)
	runtime.KeepAlive(g)
}

// Add adds v, which may be negative.
func (g *Gauge) Add(v float64) {
	g.series.Add(v)
	runtime.KeepAlive(g)
}

// Sub subtracts v.
func (g *Gauge) Sub(v float64) { g.Add(-v) }

// Inc adds 1.
func (g *Gauge) Inc() { g.Add(1) }

// Dec subtracts 1.
func (g *Gauge) Dec() { g.Add(-1) }

// Value is the value.
func (g *Gauge) Value() float64 {
	v := g.series.Value()
	runtime.KeepAlive(g)
	return v
}
