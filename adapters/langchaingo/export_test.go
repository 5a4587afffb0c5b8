package langchaingo

// Usage is usage, for its test.
var Usage = usage
