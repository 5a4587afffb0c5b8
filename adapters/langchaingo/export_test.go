package langchaingo

import "reflect"

// Usage is usage, for its test.
var Usage = usageOf

// StreamEvent is the type that StrictSSE decodes an event into.
var StreamEvent = reflect.TypeFor[streamEvent]()
