package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/attempt"
	"github.com/usernskit/usernskit/userns"
)

// helperName is the helper's argv[0], by which Main recognizes it. Programs that
// the caller starts would inherit an environment variable.
const helperName = "usernskit-userns-helper"

func helperMain() Helper {
	if len(os.Args) > 1 && os.Args[0] == helperName {
		os.Exit(helperRun(os.Args[1], os.Args[2:]))
	}
	return Helper{ready: true}
}

// helperRun is the process inside the namespace. It prints its answer.
func helperRun(verb string, args []string) int {
	switch {
	case verb == "access" && len(args) == 1:
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return 2
		}
		for i := range n {
			fmt.Println(accessTo(3 + i))
		}
		return 0
	case verb == "mqueue" && len(args) == 1:
		fmt.Println(int(mountMqueue(args[0])))
		return 0
	case verb == "try":
		for _, arg := range args {
			var a attempt.Attempt
			if err := json.Unmarshal([]byte(arg), &a); err != nil {
				return 2
			}
			fmt.Println(attempt.Do(a).Line())
		}
		return 0
	}
	return 2
}

// accessTo returns "rwx" with a dash for each missing right to an open file.
func accessTo(fd int) string {
	answer := []byte("rwx")
	for i, mode := range []uint32{unix.R_OK, unix.W_OK, unix.X_OK} {
		err := unix.Faccessat(fd, "", mode, unix.AT_EACCESS|unix.AT_EMPTY_PATH)
		if err == unix.EINVAL || err == unix.ENOSYS {
			// x/sys returns EINVAL if faccessat2 is missing (before Linux 5.8) or
			// fails with EPERM. The older call checks the real IDs, which are the
			// same as the effective ones here.
			err = unix.Faccessat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), mode, 0)
		}
		switch err {
		case nil:
		case unix.EACCES, unix.EPERM, unix.EROFS, unix.ETXTBSY:
			answer[i] = '-'
		default:
			return "error " + err.Error()
		}
	}
	return string(answer)
}

func mountMqueue(target string) syscall.Errno {
	err := unix.Mount("mqueue", target, "mqueue", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

// errNoHelper is the error of the zero Helper.
var errNoHelper = errors.New("the program does not call probe.Main first")

// run starts the helper and returns the lines it prints.
func (h Helper) run(ctx context.Context, m userns.Mapping, who Credential, flags uintptr, files []*os.File, args ...string) ([]string, error) {
	if !h.ready {
		return nil, errNoHelper
	}
	if m.UID.IsZero() || m.GID.IsZero() {
		return nil, fmt.Errorf("%w: a namespace needs users and groups", userns.ErrInvalidMap)
	}
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = append([]string{helperName}, args...)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &out, &complaints, files
	cmd.SysProcAttr = attrFor(m, who)
	cmd.SysProcAttr.Cloneflags |= flags
	if err := cmd.Start(); err != nil {
		if perr := mapping(ctx, m); perr != nil {
			return nil, perr
		}
		return nil, because("become a user of the namespace", err, m)
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("helper: %w: %s", err, bytes.TrimSpace(complaints.Bytes()))
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), nil
}

func (h Helper) try(ctx context.Context, m userns.Mapping, attempts []attempt.Attempt) ([]attempt.Result, error) {
	args := []string{"try"}
	for _, a := range attempts {
		data, err := json.Marshal(a)
		if err != nil {
			return nil, fmt.Errorf("BUG: %w", err)
		}
		args = append(args, string(data))
	}
	lines, err := h.run(ctx, m, Credential{}, unix.CLONE_NEWNS|unix.CLONE_NEWCGROUP, nil, args...)
	if err != nil {
		return nil, err
	}
	if len(lines) != len(attempts) {
		return nil, fmt.Errorf("helper: BUG: %d answers to %d attempts", len(lines), len(attempts))
	}
	var out []attempt.Result
	for _, line := range lines {
		out = append(out, attempt.ParseLine(line))
	}
	return out, nil
}

// batch is how many files one helper gets, far below the usual limit of 1024.
const batch = 256

func (h Helper) access(ctx context.Context, m userns.Mapping, who Credential, paths []string) ([]Access, error) {
	var out []Access
	for len(paths) > 0 {
		n := min(batch, len(paths))
		some, err := h.accessBatch(ctx, m, who, paths[:n])
		if err != nil {
			return nil, err
		}
		out, paths = append(out, some...), paths[n:]
	}
	return out, nil
}

func (h Helper) accessBatch(ctx context.Context, m userns.Mapping, who Credential, paths []string) ([]Access, error) {
	out := make([]Access, len(paths))
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	var asked []*Access
	for i, path := range paths {
		out[i].Path = path
		f, err := os.OpenFile(path, unix.O_PATH, 0)
		if err != nil {
			out[i].Err = err
			continue
		}
		files, asked = append(files, f), append(asked, &out[i])
	}
	if len(files) == 0 {
		return out, nil
	}
	lines, err := h.run(ctx, m, who, 0, files, "access", strconv.Itoa(len(files)))
	if err != nil {
		return nil, err
	}
	if len(lines) != len(asked) {
		return nil, fmt.Errorf("helper: BUG: %d answers to %d questions", len(lines), len(asked))
	}
	for i, line := range lines {
		if text, ok := strings.CutPrefix(line, "error "); ok {
			asked[i].Err = errors.New(text)
			continue
		}
		asked[i].Read, asked[i].Write, asked[i].Exec = strings.Contains(line, "r"), strings.Contains(line, "w"), strings.Contains(line, "x")
	}
	return out, nil
}

func (h Helper) ipc(ctx context.Context, m userns.Mapping) error {
	return h.mqueue(ctx, m, 0)
}

// mqueue mounts a mqueue file system in a mount namespace that ends with the
// process.
func (h Helper) mqueue(ctx context.Context, m userns.Mapping, flags uintptr) error {
	target := "/"
	for _, dir := range []string{"/dev/mqueue", "/dev/shm", "/tmp", "/proc"} {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			target = dir
			break
		}
	}
	lines, err := h.run(ctx, m, Credential{}, unix.CLONE_NEWNS|flags, nil, "mqueue", target)
	if err != nil {
		return err
	}
	errno, err := strconv.Atoi(lines[0])
	if err != nil {
		return fmt.Errorf("helper: BUG: answered %q", lines[0])
	}
	switch errno := syscall.Errno(errno); errno {
	case 0:
		return nil
	case unix.EPERM:
		return &Error{Step: "mount mqueue", Err: errno,
			Cause:  "this kernel lets a user namespace mount it for an IPC namespace of its own only, so that --ipc=host does not start",
			Remedy: "run the container without --ipc=host, or with --userns=host"}
	case unix.ENODEV:
		return &Error{Step: "mount mqueue", Err: userns.ErrNotSupported, Cause: "this kernel has no POSIX message queues"}
	default:
		return &Error{Step: "mount mqueue", Err: errno}
	}
}
