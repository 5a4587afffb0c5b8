package guard

import (
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"
)

type Parts struct {
	Model llms.Model
	Tool  tools.Tool
}
