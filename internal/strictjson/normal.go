package strictjson

// AppendNormal appends a text that was accepted, serialised again: without white
// space, with strings escaped as little as may be. That is never longer.
func AppendNormal(dst []byte, src string) []byte {
	for i := 0; i < len(src); {
		switch src[i] {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			dst, i = appendText(dst, src, i)
		default:
			end := i + 1
			for end < len(src) && src[end] > ' ' && src[end] != '"' {
				end++
			}
			dst = append(dst, src[i:end]...)
			i = end
		}
	}
	return dst
}

// Normal is [AppendNormal] for a string.
func Normal(src string) string { return View(AppendNormal(make([]byte, 0, len(src)), src)) }

// appendText appends a string, and returns the offset after it.
func appendText(dst []byte, src string, i int) ([]byte, int) {
	dst = append(dst, '"')
	for i++; src[i] != '"'; {
		if src[i] != '\\' {
			end := i + 1
			for src[end] != '"' && src[end] != '\\' {
				end++
			}
			dst = append(dst, src[i:end]...)
			i = end
			continue
		}
		switch src[i+1] {
		case '/':
			dst = append(dst, '/')
			i += 2
		case 'u':
			r, end := ReadEscape(src, i)
			dst = appendRune(dst, r)
			i = end
		default:
			dst = append(dst, src[i:i+2]...)
			i += 2
		}
	}
	return append(dst, '"'), i + 1
}
