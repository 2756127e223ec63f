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
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// daemonChecks are the checks of dockerd and its configuration.
var daemonChecks = []check{d01, d02, d03, d04, d05, d06, d07, d08, d09, d10, d11}

var d01 = check{
	Check: Check{
		ID: "D01", Name: "config-valid", Severity: Critical,
		Title:  "dockerd's configuration can be read and sets userns-remap",
		Why:    "dockerd does not start with a file that it cannot read, takes the last of two equal keys, and ignores a key inside another object.",
		Reads:  "daemon.json, units and their environment files, the command line of a running dockerd; of several, those of the one that answers.",
		Remedy: "Turn remapping on.",
		Refs:   refDaemon(),
	},
	needs: facts.NeedProblems,
	judge: func(j *judge) {
		c := j.Config
		for _, why := range c.Startup.Unsure {
			j.unknown("dockerd", "%s", why)
		}
		if c.StartupErr != nil {
			j.unknown("dockerd", "%v", c.Unread())
		}
		switch {
		case errors.Is(c.DocErr, daemoncfg.ErrInvalid):
			j.fail(c.File, "%v", c.DocErr)
			return
		case c.DocErr != nil:
			j.unknown(c.File, "%v", c.DocErr)
			return
		}
		for _, p := range c.Problems {
			if !slices.Contains(otherChecks, p.ID) {
				j.problem(p)
			}
		}
		bad := slices.ContainsFunc(j.list, func(f *Finding) bool { return f.Verdict == Fail })
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
			j.skip(c.Place, "userns-remap is %q, see I06", c.Value)
		case !c.On:
			j.fail(c.Place, "%v", c.Err).saw(c.Place, cmp.Or(c.Value, `""`), "a user")
		case !bad:
			fi := j.pass(c.Place, "userns-remap is %q%s", c.Value, j.whose()).saw(c.Place, c.Value, "")
			for _, other := range c.Startup.Others {
				fi.saw(other, "another dockerd", "")
			}
			if c.StartupErr == nil && c.Startup.Init == dockerd.InitNone && len(c.Startup.Unsure) == 0 && c.Startup.PID == 0 && j.NoEngine != nil {
				fi.Text += "; nothing here starts a dockerd yet, and one that comes later may be given other flags"
			}
		}
	},
}

// whose names the process whose configuration is judged, if it is a dockerd that
// does not listen at the address that was asked.
func (j *judge) whose() string {
	if pid := j.Config.Startup.PID; pid > 0 && errors.Is(j.NoEngine, engine.ErrDown) {
		return fmt.Sprintf(", for process %d: it does not listen where the daemon was asked for", pid)
	}
	return ""
}

// D02 judges flagProblems. D01 leaves out otherChecks, which D02, D03, I01, I02
// and I06 judge.
var (
	flagProblems = []daemoncfg.ProblemID{daemoncfg.ProblemConflict, daemoncfg.ProblemRefusedWord, daemoncfg.ProblemUnknownFlag}
	otherChecks  = append([]daemoncfg.ProblemID{
		daemoncfg.ProblemFailOpen, daemoncfg.ProblemBadRemap, daemoncfg.ProblemSnapshotter, daemoncfg.ProblemMissingAccount, daemoncfg.ProblemRanges,
	}, flagProblems...)
)

// problem adds a finding about a problem of the configuration.
func (j *judge) problem(p daemoncfg.Problem) {
	place := cmp.Or(p.Pos.String(), j.Config.File)
	switch p.Level {
	case daemoncfg.LevelFatal:
		j.fail(place, "%s", p.Text)
	case daemoncfg.LevelNote:
		j.warn(place, "%s", p.Text).as(Low)
	default:
		j.unknown(place, "%s", p.Text)
	}
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
			if slices.Contains(flagProblems, p.ID) {
				j.problem(p)
			}
		}
		flag, given := c.Startup.Flag("userns-remap")
		switch {
		case j.troubled():
		case len(c.Startup.Unsure) > 0:
			j.unknown("dockerd", "%s", c.Startup.Unsure[0])
		case len(c.Startup.Flags) > 0 && j.noConfig():
		case given:
			j.pass("dockerd", "only a flag sets userns-remap%s", j.whose()).saw(flag.Place(), flag.Spelled, "")
		default:
			j.pass("dockerd", "no flag sets what daemon.json sets%s", j.whose())
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
		if place := c.Snapshotter(); place != "" {
			const is = "features.containerd-snapshotter is true: "
			before29, known := j.Engine.Before(52)
			before26, _ := j.Engine.Before(45)
			var fi *Finding
			switch {
			case !c.On && c.Err == nil:
				j.skip(place, "userns-remap is not configured")
				return
			case !known || !before29:
				fi = j.fail(place, is+"dockerd 29 and later does not start with userns-remap")
			case !before26:
				fi = j.warn(place, is+"builds fail with userns-remap, and from 29 on dockerd does not start").as(High)
			default:
				fi = j.warn(place, is+"from 29 on dockerd does not start with userns-remap").as(Medium)
			}
			fi.saw(place, "containerd-snapshotter is true", "false")
		}
		j.passUntroubled(c.File, "nothing is set that excludes remapping")
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
		case errors.Is(j.NoEngine, engine.ErrDown) && (j.Config.Startup.PID != 0 || len(j.Config.Startup.OtherPIDs) > 0):
			j.unknown("docker", "a dockerd runs, and listens elsewhere: %v", j.NoEngine)
		case errors.Is(j.NoEngine, engine.ErrDown):
			j.fail("docker", "%v", j.NoEngine).run("journalctl -u docker")
		default:
			j.noDaemon()
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
	needs:  facts.NeedProcesses,
	unless: (*judge).noRemapper,
	judge: func(j *judge) {
		e := j.Engine
		uid, gid, suffixed := store.ParseName(e.RootDir)
		running, want, why := store.Name(uid, gid), "", j.NoWant()
		if why == "" {
			want = j.IDs.Root()
		}
		var fi *Finding
		switch {
		case !e.Remaps():
			fi = j.fail("docker", "the daemon does not remap")
		case !suffixed:
			fi = j.fail("docker", "the daemon says userns, but its data-root is that of no remapped store")
		case e.Namespace != "" && strings.HasPrefix(e.Namespace, "moby") && e.Namespace != "moby-"+running:
			fi = j.fail("docker", "data-root and containerd namespace name different maps")
		case want != "" && running != want:
			fi = j.fail("docker", "the daemon remaps to %s, the files say %s", running, want)
		case want == "" && j.WantUnread():
			fi = j.unknown("docker", "the daemon remaps to %s, and whether that is what is configured is not known: %s", running, why)
		case want == "":
			fi = j.fail("docker", "the daemon remaps to %s, which is not what is configured: %s", running, why)
		case j.notHere() != "":
			fi = j.unknown("docker", "the daemon remaps to %s, and whether it is this host's is not known: %s", want, j.notHere())
			fi.know("Ask it through its unix socket, as root of the host.")
		default:
			fi = j.pass("docker", "the daemon remaps to %s, and all witnesses agree", want)
		}
		expected := cmp.Or(want, "UID.GID")
		fi.saw("docker info SecurityOptions", strings.Join(e.SecurityOptions, " "), "name=userns").saw("docker info DockerRootDir", e.RootDir, ".../"+expected)
		if e.Namespace != "" {
			fi.saw("docker info Containerd.Namespaces.Containers", e.Namespace, "moby-"+expected)
		}
		if want != "" {
			fi.saw(subid.UIDFile+" and "+subid.GIDFile, want, "")
		}
	},
}

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
				saw("docker info DockerRootDir", j.Engine.RootDir, r.want).saw(c.Place, cmp.Or(c.Value, "not set"), "")
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
	if uid, gid, ok := store.ParseName(j.Engine.RootDir); ok && (uid != 0 || gid != 0) {
		r.force = store.Name(uid, gid)
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
		for _, b := range j.Containers {
			p, ok := b.First()
			if !ok || b.Other != "" || b.OtherErr != nil || b.Plugin != nil || j.Scan.InHostNS(p) || p.Mapping.IsZero() {
				continue // C02 and C03 report these
			}
			if !mapWithin(p.Mapping, want) && !j.byRuntime(b, p) {
				j.fail(subjectOf(b), "it runs with another map than the files say now").sawMap(p, want.UID.String(), want.GID.String())
			}
		}
		j.conclude(len(j.Containers), noneRuns, "host", "no running container has another map")
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
	needs:  facts.NeedStores,
	unless: (*judge).unmapped,
	judge: func(j *judge) {
		uid, _ := j.IDs.UID.IDs.ToHost(0)
		gid, _ := j.IDs.GID.IDs.ToHost(0)
		who := facts.Subject{UID: uid, GIDs: []uint32{gid}}
		want := store.Name(uid, gid)
		end := j.Disk.Parents[len(j.Disk.Parents)-1]
		unseen := end.Err != nil && !facts.IsNotExist(end.Err)
		inUse := path.Base(end.Path) == want && end.Err == nil
		for _, p := range j.Disk.Parents {
			switch {
			case facts.IsNotExist(p.Err):
				j.skip(p.Path, "not made yet")
				return
			case p.Err != nil:
				j.unknown(p.Path, "cannot be looked at: %v", p.Err)
				return
			case !p.Mode.IsDir():
				j.fail(p.Path, "is not a directory: dockerd does not start").saw(p.Path, p.Mode.String(), "a directory")
				return
			case p.Path == j.Config.DataRoot && unseen:
				continue // to what is below it
			case p.Path == j.Config.DataRoot && !inUse:
				// dockerd sets owner and mode when it starts
				j.passUntroubled(j.Config.DataRoot, "open to the remapped root")
				return
			}
			owner := fmt.Sprintf("%d:%d %04o", p.UID, p.GID, p.Mode.Perm())
			switch yes, known := who.Can(p.Inode, 1); {
			case !known:
				j.unknown(p.Path, "has an ACL, which was not read: whether the remapped root (%s) may enter is not known", want).saw(p.Path, owner, "").know("Read its ACL with getfacl(1).")
			case !yes:
				j.fail(p.Path, "the remapped root (%s) may not enter: dockerd does not start", want).saw(p.Path, owner, "o+x").run("chmod o+x " + quoted(p.Path))
				return
			}
			if p.Path != end.Path || !inUse {
				continue
			}
			should := fmt.Sprintf("0:%d 0710", gid)
			switch {
			case p.Mode.Perm()&0o006 != 0:
				j.fail(p.Path, "every user of the host may look into the store").as(Medium).saw(p.Path, owner, should).run("chmod 0710 " + quoted(p.Path))
			case p.UID != 0 && p.UID != uid || p.GID != 0 && p.GID != gid:
				j.fail(p.Path, "the store belongs to someone else").as(Medium).saw(p.Path, owner, should)
			case !j.troubled():
				j.pass(p.Path, "open to the remapped root, closed to others").saw(p.Path, owner, should)
			}
			return
		}
		j.passUntroubled(j.Config.DataRoot, "open to the remapped root")
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
		running := ""
		if j.Engine != nil {
			if _, _, remapped := store.ParseName(j.Engine.RootDir); remapped {
				running = path.Base(j.Engine.RootDir)
			}
		}
		for _, s := range j.Disk.Stores {
			dir := path.Join(j.Config.DataRoot, s.Name)
			switch {
			case j.NoEngine == nil && running == s.Name, j.IDs.Mapped() && j.IDs.Root() == s.Name, !j.IDs.Mapped() && !j.Config.On && s.Name == "":
				continue // in use, or will be
			case s.Unread != "":
				j.unknown(dir, "%s", s.Unread)
				continue
			}
			what := "the store of the map that starts at " + strings.Replace(s.Name, ".", " and ", 1)
			if s.Name == "" {
				what = "the store from before remapping"
			}
			held := text.Count(s.Images, "image", "images") + ", " + text.Count(s.Volumes, "volume", "volumes")
			fi := j.warn(dir, "%s: %s, last changed %s", what, held, s.Changed.Format(time.DateOnly)).saw(dir, held, "")
			if s.Volumes > 0 && (j.IDs.Mapped() || !j.Config.On) {
				fi.fix(FixMigrate, cmp.Or(s.Name, "plain"))
			}
		}
		j.passUntroubled(j.Config.DataRoot, "it holds no other store")
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
		if j.NoEngine == nil {
			on, source, err = j.Engine.LiveRestore, "docker info LiveRestoreEnabled", nil
		} else if j.noConfig() {
			return
		}
		r := restart{}
		if j.NoEngine == nil && on && !j.rootless() {
			r = j.restart()
		}
		switch {
		case err != nil:
			j.unknown(source, "dockerd does not start with this: %v", err).know("Give the flag the value true or false.")
		case !on:
			j.pass("docker", "live-restore is off").saw(source, "false", "")
		case j.NoEngine != nil:
			j.warn("docker", "live-restore is on: containers that run while remapping is switched survive unmanaged").as(Low).saw(source, "true", "")
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
