// Package adaptertest holds what every adapter of safeconduct must do, as a kit.
//
// The author of an adapter describes it as an [Adapter]: how to guard a tool, a
// model and an agent of the framework, and how the framework then uses them.
// [Test] plays its cases against that:
//
//	func TestAdapter(t *testing.T) {
//		adaptertest.Test(t, adaptertest.Adapter{
//			Tool: func(name string, f adaptertest.ToolFunc, is ...middleware.Interceptor) adaptertest.ToolFunc {
//				return mine.Tool(toolOf(name, f), is...).Call
//			},
//		})
//	}
//
// Each failure names the rule that the adapter broke.
package adaptertest
