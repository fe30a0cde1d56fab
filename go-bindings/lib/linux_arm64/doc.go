// Package linux_arm64 holds libspanpin.a for Linux on arm64 with glibc.
package linux_arm64
