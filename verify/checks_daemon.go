package verify

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// daemonChecks are the checks of dockerd and its configuration.
func daemonChecks() []check {
	return []check{d01, d02, d03, d04, d05, d06, d07, d08, d09, d10, d11}
}

var d01 = check{
	Check: Check{
		ID: "D01", Name: "config-valid", Severity: Critical,
		Title:  "dockerd's configuration can be read and sets userns-remap",
		Why:    "dockerd does not start with a file that it cannot read, takes the last of two equal keys, and ignores a key inside another object.",
		Reads:  "daemon.json, units and their environment files, the command line of a running dockerd; of several, those of the one that answers.",
		Remedy: "Turn remapping on.",
		Refs:   refDaemon(),
	},
	needs: facts.NeedEngine,
	judge: func(j *judge) {
		c := j.Config
		for _, why := range c.Startup.Unsure {
			j.unknown("dockerd", "%s", why)
		}
		if c.StartupErr != nil {
			j.unknown("dockerd", "%v", c.Unread())
		}
		switch {
		case c.DocErr != nil && errors.Is(c.DocErr, daemoncfg.ErrInvalid):
			j.fail(c.File, "%v", c.DocErr)
			return
		case c.DocErr != nil:
			j.unknown(c.File, "%v", c.DocErr)
			return
		}
		bad := false
		if c.Doc != nil {
			for _, l := range c.Doc.Lint() {
				place := fmt.Sprintf("%s:%d", c.File, l.Pos.Line)
				switch {
				case l.ID == "fail-open" || l.ID == "bad-remap":
					// I06 and later checks report it
				case l.Level == daemoncfg.LevelFatal:
					bad = true
					j.fail(place, "%s", l.Text)
				default:
					j.warn(place, "%s", l.Text).as(Low)
				}
			}
		}
		switch {
		case c.StartupErr != nil && c.Value == "":
			// a flag may set it, or name another file
		case j.rootless() && c.Value == "":
			j.skip("docker", rootlessText)
		case c.Value == "" && c.Missing:
			j.fail(c.File, "there is no such file, and no flag sets userns-remap").saw(c.File, "no such file", `"userns-remap": "default"`).fix(FixEnable, "")
		case c.Value == "" && c.Err == nil:
			j.fail(c.File, "userns-remap is not set").saw(c.File, "no userns-remap", `"userns-remap": "default"`).fix(FixEnable, "")
		case c.Value != "" && errors.Is(c.Err, daemoncfg.ErrFailOpen):
			j.skip(orFile(c.Place, c.File), "userns-remap is %q, see I06", c.Value)
		case !c.On && !errors.Is(c.Err, daemoncfg.ErrFailOpen):
			j.fail(orFile(c.Place, c.File), "%v", c.Err).saw(orFile(c.Place, c.File), c.Value, "a user")
		case !c.On && c.Value == "":
			j.fail(orFile(c.Place, c.File), "%v", c.Err).saw(orFile(c.Place, c.File), `""`, "a user")
		case !bad:
			fi := j.pass(orFile(c.Place, c.File), "userns-remap is %q", c.Value).saw(orFile(c.Place, c.File), c.Value, "")
			for _, other := range c.Startup.Others {
				fi.saw(other, "another dockerd", "")
			}
			if c.StartupErr == nil && c.Startup.Init == dockerd.InitNone && len(c.Startup.Unsure) == 0 && c.Startup.PID == 0 && j.NoEngine != nil {
				fi.Text += "; nothing here starts a dockerd yet, and one that comes later may be given other flags"
			}
		}
	},
}

var d02 = check{
	Check: Check{
		ID: "D02", Name: "flag-conflict", Severity: Critical,
		Title:  "dockerd starts with its flags, and none sets what daemon.json sets too",
		Why:    "dockerd does not start when a flag and daemon.json both set userns-remap, hosts or another key, even to the same value.",
		Reads:  "daemon.json, units and their environment files, the command line of a running dockerd.",
		Remedy: "Remove the flag, or the key from daemon.json.",
	},
	needs: facts.NeedProblems,
	judge: func(j *judge) {
		c := j.Config
		if c.StartupErr != nil {
			j.unknown("dockerd", "%v", c.Unread())
			return
		}
		for _, p := range c.Problems {
			switch p.ID {
			case daemoncfg.ProblemConflict, daemoncfg.ProblemRefusedWord, daemoncfg.ProblemUnknownFlag:
				if p.Level == daemoncfg.LevelFatal {
					j.fail(p.Pos.String(), "%s", p.Text)
				} else {
					j.unknown(p.Pos.String(), "%s", p.Text)
				}
			}
		}
		flag, given := c.Startup.Flag("userns-remap")
		switch {
		case j.troubled():
		case len(c.Startup.Unsure) > 0:
			j.unknown("dockerd", "%s", c.Startup.Unsure[0])
		case len(c.Startup.Flags) > 0 && j.noConfig():
		case given:
			j.pass("dockerd", "only a flag sets userns-remap").saw(flag.Place(), flag.Spelled, "")
		default:
			j.pass("dockerd", "no flag sets what daemon.json sets")
		}
	},
}

var d03 = check{
	Check: Check{
		ID: "D03", Name: "snapshotter-conflict", Severity: Critical,
		Title:  "Nothing is configured that cannot be had with remapping",
		Why:    "With features.containerd-snapshotter set, dockerd 29 and newer does not start and 26 to 28 cannot build images. A rootless daemon cannot remap once more.",
		Reads:  "daemon.json, and docker info where the daemon answers.",
		Remedy: "Set features.containerd-snapshotter to false.",
	},
	needs: facts.NeedEngine,
	judge: func(j *judge) {
		c := j.Config
		if j.noConfig() {
			return
		}
		if c.On && (j.rootless() || c.Startup.Rootless) {
			j.fail("docker", "a rootless daemon cannot remap: containers fail to start").saw("docker info SecurityOptions", "name=rootless", "no userns-remap")
		}
		if c.Is("features", "containerd-snapshotter") {
			before29, known := j.Engine.Before(52)
			before26, _ := j.Engine.Before(45)
			switch {
			case !c.On && c.Err == nil:
				j.skip(c.File, "userns-remap is not configured")
				return
			case !known || !before29:
				j.fail(c.File, "features.containerd-snapshotter is true: dockerd 29 and later does not start with userns-remap").
					saw(c.File, `"containerd-snapshotter": true`, "false")
			case !before26:
				j.warn(c.File, "features.containerd-snapshotter is true: builds fail with userns-remap, and from 29 on dockerd does not start").as(High).
					saw(c.File, `"containerd-snapshotter": true`, "false")
			default:
				j.warn(c.File, "features.containerd-snapshotter is true: from 29 on dockerd does not start with userns-remap").as(Medium).
					saw(c.File, `"containerd-snapshotter": true`, "false")
			}
		}
		if len(j.list) == 0 {
			j.pass(c.File, "nothing is set that excludes remapping")
		}
	},
}

var d04 = check{
	Check: Check{
		ID: "D04", Name: "running", Severity: High,
		Title:  "The daemon answers",
		Why:    "What it does with its containers can be asked of it only while it runs.",
		Reads:  "the API. Skipped for a tree of files.",
		Remedy: "Start the daemon and look into its log.",
	},
	needs: facts.NeedEngine,
	judge: func(j *judge) {
		switch {
		case j.NoEngine == nil:
			j.pass("docker", "%s answers: version %s, API %s", j.Engine.Source, j.Engine.Version, j.Engine.API)
			for part, why := range j.Engine.Unread {
				if part != "BuildCache" {
					j.unknown("docker", "%s: %s", part, why)
				}
			}
		case !j.Live && errors.Is(j.NoEngine, facts.ErrNotAsked):
			j.skip("docker", facts.Offline)
		case errors.Is(j.NoEngine, engine.ErrDown) && (j.Config.Startup.PID != 0 || len(j.Config.Startup.OtherPIDs) > 0):
			j.unknown("docker", "a dockerd runs, and listens elsewhere: %v", j.NoEngine)
		case errors.Is(j.NoEngine, engine.ErrDown):
			j.fail("docker", "%v", j.NoEngine).run("journalctl -u docker")
		default:
			j.unknown("docker", "%v", j.NoEngine)
		}
	},
}

var d05 = check{
	Check: Check{
		ID: "D05", Name: "reports-userns", Severity: Critical,
		Title:  "All witnesses agree that the daemon remaps to the configured IDs",
		Why:    "docker info can say userns while a range starts at the wrong ID, and the configuration can say userns-remap while the daemon does not: only agreement is proof.",
		Reads:  "docker info: SecurityOptions, DockerRootDir, and from API 1.46 on the containerd namespace; both subordinate ID files; which process has the socket.",
		Remedy: "Restart the daemon where D06 says so; else see which witness differs.",
		Refs:   refDaemon(),
	},
	needs:  facts.NeedIDs | facts.NeedPeer | facts.NeedProcesses,
	unless: (*judge).noRemapper,
	judge: func(j *judge) {
		e := j.Engine
		_, uid, gid, suffixed := facts.ParseStore(e.RootDir)
		want, why := "", j.NoWant()
		if why == "" {
			want = j.IDs.Root()
		}
		says := strings.Join(e.SecurityOptions, " ")
		var fi *Finding
		switch {
		case !e.Remaps():
			fi = j.fail("docker", "the daemon does not remap")
		case !suffixed:
			fi = j.fail("docker", "the daemon says userns, but its data-root is that of no remapped store")
		case e.Namespace != "" && strings.HasPrefix(e.Namespace, "moby") && e.Namespace != "moby-"+facts.StoreName(uid, gid):
			fi = j.fail("docker", "data-root and containerd namespace name different maps")
		case want != "" && facts.StoreName(uid, gid) != want:
			fi = j.fail("docker", "the daemon remaps to %s, the files say %s", facts.StoreName(uid, gid), want)
		case want == "" && j.WantUnread():
			fi = j.unknown("docker", "the daemon remaps to %s, and whether that is what is configured is not known: %s", facts.StoreName(uid, gid), why)
		case want == "":
			fi = j.fail("docker", "the daemon remaps to %s, which is not what is configured: %s", facts.StoreName(uid, gid), why)
		case j.notHere() != "":
			fi = j.unknown("docker", "the daemon remaps to %s, and whether it is this host's is not known: %s", want, j.notHere())
			fi.know("Ask it through its unix socket, as root of the host.")
		default:
			fi = j.pass("docker", "the daemon remaps to %s, and all witnesses agree", want)
		}
		fi.saw("docker info SecurityOptions", says, "name=userns")
		suffix := "/UID.GID"
		namespace := "moby-UID.GID"
		if want != "" {
			suffix, namespace = "/"+want, "moby-"+want
		}
		fi.saw("docker info DockerRootDir", e.RootDir, "..."+suffix)
		if e.Namespace != "" {
			fi.saw("docker info Containerd.Namespaces.Containers", e.Namespace, namespace)
		}
		if want != "" {
			fi.saw(subid.UIDFile+" and "+subid.GIDFile, want, "")
		}
	},
}

// noDaemon adds why the running daemon cannot be checked.
func (j *judge) noDaemon() bool {
	switch {
	case j.NoEngine == nil:
		return false
	case !j.Live && errors.Is(j.NoEngine, facts.ErrNotAsked):
		j.skip("docker", facts.Offline)
	default:
		j.unknown("docker", "%v", j.NoEngine)
	}
	return true
}

// noRemapper is noDaemon for checks of what the daemon remaps to.
func (j *judge) noRemapper() bool { return j.noDaemon() || j.isRootless() }

var d06 = check{
	Check: Check{
		ID: "D06", Name: "pending-restart", Severity: High,
		Title:  "The daemon runs with what is configured now",
		Why:    "userns-remap is read at start only; a reload ignores it without a word, and a wrong value waits for the next start.",
		Reads:  "docker info; daemon.json or the flags of dockerd, and both subid files.",
		Remedy: "Restart the daemon. Run a preflight first: what the other store holds disappears.",
	},
	needs:  facts.NeedIDs,
	unless: (*judge).noRemapper,
	judge: func(j *judge) {
		c := j.Config
		switch r := j.restart(); {
		case r.unsure != "":
			j.unknown(r.subject, "what is configured is not known: %s", r.unsure)
		case r.force != r.want:
			fi := j.fail("docker", "in force: %s; configured: %s", r.force, r.want).
				saw("docker info DockerRootDir", j.Engine.RootDir, r.want).saw(orFile(c.Place, c.File), orNone(c.Value), "")
			if c.Startup.Init != dockerd.InitProcess || len(c.Startup.Others) == 0 { // it would restart another one
				fi.run(strings.Join(c.Startup.Restart().Argv, " "))
			}
		default:
			j.pass("docker", "in force and configured: %s", r.force).saw("docker info DockerRootDir", j.Engine.RootDir, r.want)
		}
	},
}

// A restart is what the next start of the daemon does to the map.
type restart struct {
	force, want     string // in force now, and after it
	unsure, subject string // why want is not known, and what could not be read
}

// notHere returns why the daemon that answered may not be one of this host, or
// "". Equal files prove nothing: another machine's may look the same.
func (j *judge) notHere() string {
	switch {
	case !j.HasProc:
		return "no /proc of the host was looked at"
	case j.PeerErr == nil:
		return ""
	}
	for _, b := range j.Containers {
		if b.Docker != nil && len(b.Processes) > 0 {
			return "" // it lists a container that runs here
		}
	}
	return j.PeerErr.Error()
}

// restart compares the running map with the configured one.
func (j *judge) restart() restart {
	c := j.Config
	if err := c.Unread(); err != nil {
		return restart{unsure: err.Error(), subject: c.File}
	}
	if !j.IDs.Mapped() && j.WantUnread() {
		return restart{unsure: j.NoWant(), subject: "host"}
	}
	r := restart{force: "no remapping", want: "no remapping"}
	if _, uid, gid, ok := facts.ParseStore(j.Engine.RootDir); ok && (uid != 0 || gid != 0) {
		r.force = facts.StoreName(uid, gid)
	}
	switch {
	case j.IDs.Mapped() && j.IDs.Root() != "0.0":
		r.want = j.IDs.Root()
	case c.DocErr != nil, c.On && !j.IDs.Mapped(), c.Err != nil && !errors.Is(c.Err, daemoncfg.ErrFailOpen):
		r.want = j.NoWant() // the next start fails
	}
	return r
}

var d07 = check{
	Check: Check{
		ID: "D07", Name: "map-drift", Severity: High,
		Title:  "Running containers have the map that the files now say",
		Why:    "After an edit of /etc/subuid they keep the old IDs, which the files may by then give to someone else.",
		Reads:  "/proc/PID/uid_map and gid_map of every container, both files.",
		Remedy: "Restart the daemon and its containers, or take the edit back.",
	},
	needs:  facts.NeedProcesses,
	unless: (*judge).noProcesses,
	judge: func(j *judge) {
		if j.unmapped() {
			return
		}
		want := j.IDs.Want()
		drift := 0
		for _, b := range j.Containers {
			p, ok := b.First()
			if !ok || b.Other != "" || b.OtherErr != nil || b.Plugin != nil || j.Scan.InHostNS(p) || p.Mapping.IsZero() {
				continue // C02 and C03 report these
			}
			if mapWithin(p.Mapping, want) || j.byRuntime(b, p) {
				continue
			}
			drift++
			j.fail(subjectOf(b), "it runs with another map than the files say now").
				saw(fmt.Sprintf("/proc/%d/uid_map", p.PID), p.Mapping.UID.String(), want.UID.String()).
				saw(fmt.Sprintf("/proc/%d/gid_map", p.PID), p.Mapping.GID.String(), want.GID.String())
		}
		if drift == 0 && !j.troubled() {
			if len(j.Containers) == 0 {
				j.skip("host", "no container is running")
				return
			}
			j.pass("host", "no running container has another map")
		}
	},
}

var d08 = check{
	Check: Check{
		ID: "D08", Name: "dataroot-perm", Severity: High,
		Title:  "The remapped root can reach its data-root, and others cannot",
		Why:    "dockerd does not start when a directory on the way is closed to the remapped root.",
		Reads:  "owner and mode of data-root/UID.GID and of its parents. root:GID 0710 is what current engines make.",
		Remedy: "chmod o+x the directory that is closed.",
	},
	needs:  facts.NeedPath,
	unless: (*judge).unmapped,
	judge: func(j *judge) {
		uid, _ := j.IDs.UID.IDs.ToHost(0)
		gid, _ := j.IDs.GID.IDs.ToHost(0)
		who := facts.Subject{UID: uid, GIDs: []uint32{gid}}
		want := facts.StoreName(uid, gid)
		last := len(j.Disk.Parents) - 1
		end := j.Disk.Parents[last]
		inUse := path.Base(end.Path) == want && end.Err == nil
		unseen := end.Err != nil && !facts.IsNotExist(end.Err)
		for i, p := range j.Disk.Parents {
			switch {
			case i == last && unseen:
				j.unknown(p.Path, "cannot be looked at: %v", p.Err)
				return
			case p.Err == nil && !p.Mode.IsDir():
				j.fail(p.Path, "is not a directory: dockerd does not start").saw(p.Path, p.Mode.String(), "a directory")
				return
			}
			if p.Path == j.Config.DataRoot && !inUse {
				switch {
				case unseen:
					continue // to what is below it
				case facts.IsNotExist(p.Err):
					j.skip(p.Path, "not made yet")
					return
				case p.Err != nil:
					j.unknown(p.Path, "cannot be looked at: %v", p.Err)
					return
				}
				break // dockerd sets owner and mode when it starts
			}
			if p.Err != nil {
				j.skip(p.Path, "not made yet")
				return
			}
			owner := fmt.Sprintf("%d:%d %04o", p.UID, p.GID, p.Mode.Perm())
			yes, known := who.Can(p.Inode, 1)
			switch {
			case !known:
				j.unknown(p.Path, "has an ACL, which was not read: whether the remapped root (%s) may enter is not known", want).saw(p.Path, owner, "").know("Read its ACL with getfacl(1).")
			case !yes:
				j.fail(p.Path, "the remapped root (%s) may not enter: dockerd does not start", want).saw(p.Path, owner, "o+x").run("chmod o+x " + quoted(p.Path))
				return
			}
			if i == last && path.Base(p.Path) == want {
				switch {
				case p.Mode.Perm()&0o006 != 0:
					j.fail(p.Path, "every user of the host may look into the store").as(Medium).saw(p.Path, owner, fmt.Sprintf("0:%d 0710", gid)).run("chmod 0710 " + quoted(p.Path))
					return
				case p.UID != 0 && p.UID != uid || p.GID != 0 && p.GID != gid:
					j.fail(p.Path, "the store belongs to someone else").as(Medium).saw(p.Path, owner, fmt.Sprintf("0:%d 0710", gid))
					return
				}
				if len(j.list) == 0 {
					j.pass(p.Path, "open to the remapped root, closed to others").saw(p.Path, owner, fmt.Sprintf("0:%d 0710", gid))
				}
				return
			}
		}
		if len(j.list) == 0 {
			j.pass(j.Config.DataRoot, "open to the remapped root")
		}
	},
}

var d09 = check{
	Check: Check{
		ID: "D09", Name: "stale-stores", Severity: Info,
		Title:  "No store of an earlier map is left behind",
		Why:    "Each map has a store of its own, data-root/UID.GID; images and volumes of the others are invisible and keep their disk space. They may hold the only copy of a volume.",
		Reads:  "the directories of the data-root.",
		Remedy: "Copy the volumes that are still wanted into the store in use; images are pulled again.",
	},
	needs: facts.NeedStores,
	judge: func(j *judge) {
		switch {
		case facts.IsNotExist(j.Disk.NoStore):
			j.skip(j.Config.DataRoot, "there is no data-root yet")
			return
		case j.Disk.NoStore != nil:
			j.unknown(j.Config.DataRoot, "%v", j.Disk.NoStore)
			return
		}
		used := []string{}
		if j.NoEngine == nil {
			name := ""
			if _, uid, gid, ok := facts.ParseStore(j.Engine.RootDir); ok {
				name = facts.StoreName(uid, gid)
			}
			used = append(used, name)
		}
		if j.IDs.Mapped() {
			used = append(used, j.IDs.Root())
		} else if !j.Config.On {
			used = append(used, "")
		}
		for _, s := range j.Disk.Stores {
			if slices.Contains(used, s.Name) {
				continue
			}
			dir := path.Join(j.Config.DataRoot, s.Name)
			if s.Unread != "" {
				j.unknown(dir, "%s", s.Unread)
				continue
			}
			what := "the store from before remapping"
			if s.Name != "" {
				what = "the store of the map that starts at " + strings.Replace(s.Name, ".", " and ", 1)
			}
			held := text.Count(s.Images, "image", "images") + ", " + text.Count(s.Volumes, "volume", "volumes")
			fi := j.warn(dir, "%s: %s, last changed %s", what, held, s.Changed.Format(time.DateOnly)).saw(dir, held, "")
			if s.Volumes > 0 && (j.IDs.Mapped() || !j.Config.On) {
				fi.fix(FixMigrate, cmp.Or(s.Name, "plain"))
			}
		}
		if len(j.list) == 0 {
			j.pass(j.Config.DataRoot, "it holds no other store")
		}
	},
}

var d10 = check{
	Check: Check{
		ID: "D10", Name: "live-restore", Severity: High,
		Title:  "No container will be left running unmanaged by the next restart",
		Why:    "With live-restore, containers survive the restart that turns remapping on: they keep running as root, and docker ps no longer lists them.",
		Reads:  "daemon.json, docker info.",
		Remedy: "Stop the containers, or set live-restore to false and reload, before the restart.",
		Refs:   []string{"CIS Docker 1.6.0: 2.15 asks for live-restore"},
	},
	needs: facts.NeedIDs,
	judge: func(j *judge) {
		c := j.Config
		on, source, err := c.LiveRestore()
		if j.Engine != nil && j.NoEngine == nil {
			on, source = j.Engine.LiveRestore, "docker info LiveRestoreEnabled"
		} else if j.noConfig() {
			return
		} else if err != nil {
			j.unknown(source, "dockerd does not start with this: %v", err).know("Give the flag the value true or false.")
			return
		}
		switch {
		case !on:
			j.pass("docker", "live-restore is off").saw(source, "false", "")
			return
		case j.NoEngine != nil:
			j.warn("docker", "live-restore is on: containers that run while remapping is switched survive unmanaged").as(Low).saw(source, "true", "")
			return
		}
		r := restart{}
		if !j.rootless() {
			r = j.restart()
		}
		switch {
		case r.unsure != "":
			j.unknown("docker", "live-restore is on, and whether the next restart switches the map is not known, see D06").saw(source, "true", "").know("See D06.")
		case r.force != r.want:
			j.fail("docker", "live-restore is on and the next restart switches the map: running containers survive it unmanaged").saw(source, "true", "false")
		default:
			j.pass("docker", "live-restore is on, and the next restart does not switch the map").saw(source, "true", "")
		}
	},
}

var d11 = check{
	Check: Check{
		ID: "D11", Name: "authz", Severity: Info,
		Title: "Something stops docker run --userns=host",
		Why:   "Who may use the socket may opt out of remapping, and is root with it, unless an authorization plugin says no.",
		Reads: "docker info.",
	},
	needs:  facts.NeedEngine,
	unless: (*judge).noDaemon,
	judge: func(j *judge) {
		if len(j.Engine.Authz) == 0 {
			j.warn("docker", "anyone who may use the socket may run --userns=host").saw("docker info Plugins.Authorization", "none", "")
			return
		}
		j.pass("docker", "authorization plugins: %s", strings.Join(j.Engine.Authz, ", ")).saw("docker info Plugins.Authorization", strings.Join(j.Engine.Authz, ", "), "")
	},
}
