//go:build cgo && linux && amd64 && !musl

package capi

// #cgo LDFLAGS: ${SRCDIR}/../../lib/linux_amd64/libspanpin.a
import "C"

// Vendoring copies a folder only if a package in it is imported.
import _ "github.com/spanpin/spanpin/go-bindings/lib/linux_amd64"
