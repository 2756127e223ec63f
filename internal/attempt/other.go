//go:build !linux

package attempt

// Do says that nothing can be tried here.
func Do(Attempt) Result { return Result{Untried: "not Linux"} }
