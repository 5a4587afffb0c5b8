//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package evidence

const openNonblock = 0
