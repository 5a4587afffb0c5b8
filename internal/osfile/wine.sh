#!/usr/bin/env bash
# Runs the short tests of packages as Windows programs under Wine. Version 10 is
# needed: before it there is no bcryptprimitives.dll, which Go starts with, and no
# deletion by handle, which os.RemoveAll asks for.
set -euo pipefail
wine=${WINE:-$(command -v wine64 || command -v wine || echo /usr/lib/wine/wine64)}
version=$("$wine" --version 2>/dev/null || true)
if [[ ! $version =~ ^wine-([0-9]+) ]] || ((BASH_REMATCH[1] < 10)); then
  echo "NOT RUN: the tests on Windows need Wine 10, and this is ${version:-none} (set WINE to use another)" >&2
  exit 0
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export WINEPREFIX=${WINEPREFIX:-$tmp/prefix} WINEDEBUG=-all
failed=0
for pkg in "$@"; do
  GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go test -c -o "$tmp/test.exe" "$pkg"
  echo "== $pkg on Windows, under $version"
  (cd "$pkg" && "$wine" "$tmp/test.exe" -test.short -test.timeout 15m) || failed=1
done
exit $failed
