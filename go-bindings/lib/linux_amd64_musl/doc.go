// Package linux_amd64_musl holds libspanpin.a for Linux on x86-64 with musl libc; build with -tags musl.
package linux_amd64_musl
