//go:build !linux

package attempt

// Do reports that nothing can be tried here.
func Do(Attempt) Result { return Result{Untried: "not Linux"} }
