// Package capi is every cgo call of the module: to make registries, families
// and series, to record an exemplar that passed the gate, and to scrape.
//
// Handles are plain C addresses. They live as long as their registry, which the
// caller must keep reachable until each call has returned.
package capi
