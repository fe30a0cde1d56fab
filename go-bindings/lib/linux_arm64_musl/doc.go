// Package linux_arm64_musl holds libspanpin.a for Linux on arm64 with musl libc; build with -tags musl.
package linux_arm64_musl
