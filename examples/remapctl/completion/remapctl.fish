# fish completion for remapctl; made by: remapctl completion fish
function __remapctl_complete
    set -l words (commandline -opc)
    set -l list ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null | string match -rv '^:[0-9]+$')
    set -l prefix (string match -r -- '^--[^=]+=' (commandline -ct))
    if set -q list[1]
        string replace -r -- '^' "$prefix" $list
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c remapctl -e
complete -c remapctl -f -k -a '(__remapctl_complete)'
