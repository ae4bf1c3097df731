/** Completion scripts: each asks `tsc-box __complete` and adds paths or programs where told to. */

const BASH = String.raw`# bash completion of tsc-box
_tsc_box() {
  local line=\${COMP_LINE:0:COMP_POINT} cur reply word directive=none prefix=
  local -a words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur=\${words[-1]}
  # bash breaks words at these: only what follows is replaced.
  [[ $cur == *[=:]* ]] && prefix=\${cur%"\${cur##*[=:]}"}
  COMPREPLY=()
  while IFS= read -r reply; do
    if [[ $reply == :* ]]; then directive=\${reply#:}; continue; fi
    word=\${reply%%$'\t'*}
    COMPREPLY+=("\${word#"$prefix"}")
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  case $directive in
    file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "\${cur#"$prefix"}") ;;
    directory) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "\${cur#"$prefix"}") ;;
    program) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
  esac
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace
  return 0
}
complete -F _tsc_box tsc-box
`;

const ZSH = String.raw`#compdef tsc-box
# zsh completion of tsc-box
_tsc_box() {
  local reply directive=none
  local -a candidates
  while IFS= read -r reply; do
    if [[ $reply == :* ]]; then directive=\${reply#:}; continue; fi
    local word=\${reply%%$'\t'*} text=
    [[ $reply == *$'\t'* ]] && text=\${reply#*$'\t'}
    candidates+=("\${word//:/\\:}:$text")
  done < <("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  case $directive in
    file) compset -P '*[=:]'; _files ;;
    directory) compset -P '*[=:]'; _files -/ ;;
    program) _command_names -e ;;
    *) (( \${#candidates} )) && _describe tsc-box candidates ;;
  esac
}
if [[ $funcstack[1] == _tsc_box || $funcstack[1] == _tsc-box ]]; then _tsc_box "$@"; else compdef _tsc_box tsc-box; fi
`;

const FISH = String.raw`# fish completion of tsc-box
function __tsc_box_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l current (commandline -ct)
    for reply in ($words[1] __complete $words[2..-1] 2>/dev/null)
        switch $reply
            case :file :directory
                __fish_complete_path (string replace -r '.*[=:]' '' -- $current)
            case :program
                __fish_complete_command
            case ':*'
            case '*'
                echo $reply
        end
    end
end
complete -c tsc-box -f -a '(__tsc_box_complete)'
`;

/** `String.raw` keeps the backslash that keeps JavaScript from reading a dollar brace; the shells must not see it. */
const unescape = (script: string): string => script.replaceAll('\\${', '${');

export const SCRIPTS: Readonly<Record<string, string>> = { bash: unescape(BASH), zsh: unescape(ZSH), fish: unescape(FISH) };
