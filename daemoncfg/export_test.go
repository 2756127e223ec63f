package daemoncfg

// Pointer is pointer.
func Pointer(path []string) string { return pointer(path) }
