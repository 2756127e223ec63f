# bash completion for remapctl; made by: remapctl completion bash
_remapctl() {
	local line word words=() joins=
	for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
		# bash splits --flag=value into three words
		if [[ ${#words[@]} -gt 0 && ${words[-1]} == --* && ( $word == = || -n $joins ) ]]; then
			words[-1]+=$word
		else
			words+=("$word")
		fi
		joins=
		[[ $word != = ]] || joins=1
	done
	COMPREPLY=()
	while IFS= read -r line; do
		[[ ! $line =~ ^:[0-9]+$ ]] || break
		printf -v line %q "${line%%$'\t'*}"
		COMPREPLY+=("$line")
	done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
}
complete -o bashdefault -o default -F _remapctl remapctl
