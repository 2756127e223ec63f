#compdef remapctl
# zsh completion for remapctl; made by: remapctl completion zsh
_remapctl() {
	local -a list
	local line value
	for line in "${(@f)$("${(Q)words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
		[[ -n $line ]] || continue
		[[ $line != :<-> ]] || break
		value=${line%%$'\t'*}
		[[ $line == *$'\t'* ]] || line+=$'\t'
		list+=("${value//:/\\:}:${line#*$'\t'}")
	done
	if (( $#list )); then
		compset -P '--[^=]##='
		_describe remapctl list
	else
		_files
	fi
}
if [[ $funcstack[1] == _remapctl ]]; then
	_remapctl "$@"
else
	compdef _remapctl remapctl
fi
