// Package dockerd finds out how dockerd is started on a host, with which flags
// and which daemon.json.
//
//	s, err := dockerd.Read(ctx, host)
//	if s.State() == dockerd.StateUnsure { ... s.Unsure ... }
//
// It does not start anything, use a socket, or write. What it does not
// understand is in [Startup.Unsure] and never means "no flags": only
// [StateAbsent] means that there is no dockerd.
//
// Units are read as systemd.unit(5), systemd.service(5) and systemd.exec(5)
// say, scripts as POSIX shells and bash read them, and flags as
// https://github.com/spf13/pflag does.
package dockerd
