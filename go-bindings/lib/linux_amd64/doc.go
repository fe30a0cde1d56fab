// Package linux_amd64 holds libspanpin.a for Linux on x86-64 with glibc.
package linux_amd64
