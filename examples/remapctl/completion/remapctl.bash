# bash completion for remapctl; made by: remapctl completion bash
_remapctl() {
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		printf -v line %q "${line%%$'\t'*}"
		COMPREPLY+=("$line")
	done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _remapctl remapctl
