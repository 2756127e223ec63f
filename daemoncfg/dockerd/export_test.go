package dockerd

// FlagsOf reads a unit with one environment file, both without a host.
func FlagsOf(unit, env string) []Flag {
	settings := readUnit("docker.service", unit)
	vars := variables{}
	for _, set := range inForce(settings, "Environment") {
		vars.assign(set)
	}
	for name, value := range readEnvironmentFile("env", env, false) {
		vars[name] = value
	}
	var flags []Flag
	for _, exec := range inForce(settings, "ExecStart") {
		words, _ := vars.commandLine(exec)
		if len(words) > 0 {
			flags = append(flags, readFlags(words[1:])...)
		}
	}
	return flags
}

// ShellWords reads env as a shell does.
func ShellWords(env string) map[string]string {
	sh := &shell{vars: variables{}}
	if err := sh.read(script{file: "env", text: env}); err != nil {
		return nil
	}
	return texts(sh.vars)
}

// EnvironmentWords reads env as systemd does.
func EnvironmentWords(env string) map[string]string {
	return texts(readEnvironmentFile("env", env, false))
}

// OldEnvironmentWords reads env as systemd did before v254.
func OldEnvironmentWords(env string) map[string]string {
	return texts(readEnvironmentFile("env", env, true))
}

func texts(vars variables) map[string]string {
	texts := map[string]string{}
	for name, value := range vars {
		texts[name] = value.text
	}
	return texts
}
