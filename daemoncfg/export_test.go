package daemoncfg

// FlagsOf reads a unit with one environment file, both without a host.
func FlagsOf(unit, env string) []Flag {
	svc := combine(readUnit("docker.service", unit))
	vars := variables{}
	for _, set := range svc.environment {
		vars.assign(set)
	}
	for name, value := range readEnvironmentFile("env", env) {
		vars[name] = value
	}
	var flags []Flag
	for _, exec := range svc.exec {
		words, _ := vars.commandLine(exec)
		if len(words) > 0 {
			flags = append(flags, readFlags(words[1:])...)
		}
	}
	return flags
}

// WithoutFlag is withoutFlag.
func WithoutFlag(text string, f Flag) (string, error) { return withoutFlag(text, f) }

// ShellWords reads env as a shell does.
func ShellWords(env string) map[string]string {
	vars, _, err := readShellFile("env", env)
	if err != nil {
		return nil
	}
	texts := map[string]string{}
	for name, value := range vars {
		texts[name] = value.text
	}
	return texts
}

// EnvironmentWords reads env as systemd does.
func EnvironmentWords(env string) map[string]string {
	texts := map[string]string{}
	for name, value := range readEnvironmentFile("env", env) {
		texts[name] = value.text
	}
	return texts
}

// Pointer is pointer.
func Pointer(path []string) string { return pointer(path) }
