package userns

// ParseShim is what [FS.Shims] reads of a process's arguments.
func ParseShim(argv []string) (Shim, bool) { return parseShim(argv) }
