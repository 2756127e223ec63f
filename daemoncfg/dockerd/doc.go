// Package dockerd finds out how dockerd is started on a host, with which flags
// and which daemon.json, and reads the store that it left on the disk.
//
//	s, err := dockerd.Read(ctx, host)
//	if s.State() == dockerd.StateUnsure { ... s.Unsure ... }
//
// Nothing is started, asked at a socket, or written. What a look does not
// understand is in [Startup.Unsure] and never taken for "no flags": only a
// Startup in [StateAbsent] says that there is no dockerd.
//
// Units are read as systemd.unit(5), systemd.service(5) and systemd.exec(5)
// say, scripts as POSIX shells and bash read them, and flags as
// https://github.com/spf13/pflag does.
package dockerd
