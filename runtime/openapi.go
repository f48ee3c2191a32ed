package runtime

func openAPI(rt *Runtime) any { return map[string]any{} }
