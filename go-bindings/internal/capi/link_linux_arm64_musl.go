//go:build cgo && linux && arm64 && musl

package capi

// #cgo LDFLAGS: ${SRCDIR}/../../lib/linux_arm64_musl/libspanpin.a
import "C"

// Vendoring copies a folder only if a package in it is imported.
import _ "github.com/spanpin/spanpin/go-bindings/lib/linux_arm64_musl"
