package subid

import "github.com/usernskit/usernskit/subid/reader"

func (f *File) Release(o reader.Owner) int { return f.release(o) }
