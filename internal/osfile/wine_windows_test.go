package osfile_test

import "golang.org/x/sys/windows"

// isWine reports whether this is no Windows at all.
func isWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}
