//go:build !cgo

package capi

// The core is a static library that only cgo can link. Without cgo this name,
// which does not exist, becomes the compiler's message.
var _ = spanpin_needs_cgo__set_CGO_ENABLED_1_and_install_gcc_or_clang
