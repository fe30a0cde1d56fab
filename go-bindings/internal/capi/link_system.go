//go:build cgo && !(linux && (amd64 || arm64))

package capi

// There is no archive for this platform: the C library must be installed where
// the linker finds it.

// #cgo LDFLAGS: -lspanpin
import "C"
