// Package attempt makes single system calls that show whether something is
// reachable. They change nothing that exists: files are opened and closed, never
// truncated, read or written.
package attempt

import (
	"encoding/json"
	"syscall"
)

// An Op is a way to try something.
type Op string

const (
	OpenRead     Op = "open-read"     // open(2) Path with O_RDONLY
	OpenWrite    Op = "open-write"    // open(2) Path with O_WRONLY, without O_CREAT and O_TRUNC
	AccessWrite  Op = "access-write"  // faccessat(2) Path for writing, as connect(2) to a socket needs
	TempFile     Op = "temp-file"     // open(2) the directory Path with O_TMPFILE: a file without a name
	Traverse     Op = "traverse"      // open(2) the directory Path
	Mknod        Op = "mknod"         // mknod(2) of a null device, in a tmpfs of the process's own
	ReleaseAgent Op = "release-agent" // mount the cgroup v1 hierarchy Path in a mount namespace of its own and open release_agent for writing
	Signal       Op = "signal"        // kill(2) PID with signal 0
	Key          Op = "key"           // keyctl(2) KEYCTL_DESCRIBE of the key ID
)

// An Attempt is what to try.
type Attempt struct {
	Op   Op     `json:"op"`
	Path string `json:"path,omitempty"`
	PID  int    `json:"pid,omitempty"`
	Key  int    `json:"key,omitempty"`
}

// A Result is the outcome of an attempt.
type Result struct {
	// Errno is the kernel's answer; 0: allowed.
	Errno syscall.Errno `json:"errno"`
	// Untried is why the deciding call could not be made. Errno then tells
	// nothing.
	Untried string `json:"untried,omitempty"`
}

// Line returns r in the form in which a helper process answers; see [ParseLine].
func (r Result) Line() string {
	data, err := json.Marshal(r)
	if err != nil {
		return `{"untried":"BUG: the answer cannot be written"}`
	}
	return string(data)
}

// ParseLine reads what [Result.Line] wrote. A line that it cannot read gives a
// Result with Untried.
func ParseLine(line string) Result {
	var r *Result
	if err := json.Unmarshal([]byte(line), &r); err != nil || r == nil {
		return Result{Untried: "the helper gave no answer"}
	}
	return *r
}
