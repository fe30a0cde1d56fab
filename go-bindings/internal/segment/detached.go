package segment

import (
	"math"
	"unsafe"
)

// NewDetached makes a series in memory of its own that no scrape shows. It keeps
// no exemplars.
func NewDetached(buckets int) Series {
	header := make([]uint64, HeaderTallies/8+32)
	const before = StateBefore / 8
	cells := make([]uint64, before+max(HistogramBuckets/8+buckets, CounterFractions/8+1, GaugeAdded/8+1))[before:]
	gates := make([]uint64, buckets*GateSize/8)
	return Series{
		Header: unsafe.Pointer(unsafe.SliceData(header)),
		Cells:  unsafe.Pointer(unsafe.SliceData(cells)),
		Gates:  unsafe.Pointer(unsafe.SliceData(gates)),
		Filter: FilterAlwaysOff,

		OfferFrom: math.NaN(),
		SlowFrom:  math.Inf(1),
	}
}
