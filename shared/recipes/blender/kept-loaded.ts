/**
 * POSIX sh, as nodes need not have Python outside Blender. OpenJD format strings resolve these
 * texts, so they hold no double braces; everything that varies comes as an argument.
 *
 * Two FIFOs in a directory only the owner can enter: `requests` carries one line a task,
 * `replies` is Blender's whole output. A supervisor waits for Blender's end and writes it both to
 * the file `gone` and into `replies`, so that a task never waits for an answer that cannot come.
 */
export const startScript = String.raw`# start-blender.sh DIR COMMAND...: starts Blender and returns once it waits for frames.
set -eu
dir=$1
shift
mkdir -m 700 "$dir"
mkfifo -m 600 "$dir/requests" "$dir/replies"
# Open both ways before anyone else does: no one blocks for want of the other end.
exec 3<>"$dir/replies"
(
    "$@" </dev/null >&3 2>&1 3>&- &
    echo $! >"$dir/pid"
    code=0
    wait $! || code=$?
    echo "$code" >"$dir/gone"
    printf '\nkarst-gone %s\n' "$code" >&3
) </dev/null >/dev/null 2>&1 &
exec 4<"$dir/replies" 3>&-
while IFS= read -r line <&4; do
    case $line in
    karst-ready) exit 0 ;;
    'karst-gone '*) break ;;
    *) printf '%s\n' "$line" ;;
    esac
done
echo "openjd_fail: Blender ended before its scene was loaded"
exit 1
`;

export const askScript = String.raw`# ask-blender.sh DIR FRAMES [OPTIONS...]: has the waiting Blender render frames, shows what it says.
set -u
dir=$1
shift
token=$$
if ! [ -p "$dir/replies" ]; then
    echo "openjd_fail: no Blender was started in this session"
    exit 1
fi
exec 3<>"$dir/replies" 4<"$dir/replies" 5<>"$dir/requests"
if [ -e "$dir/gone" ]; then
    echo "openjd_fail: Blender has ended before (exit code $(cat "$dir/gone"))"
    exit 1
fi
exec 3>&-
printf '%s %s\n' "$token" "$*" >&5
case $1 in ?*[-,]*) alone=no ;; *) alone=yes ;; esac
last=
while IFS= read -r line <&4; do
    case $line in
    "karst-done $token "*) exit "${'$'}{line##* }" ;;
    'karst-gone '*)
        echo "openjd_fail: Blender ended while it rendered (exit code ${'$'}{line##* })"
        exit 1
        ;;
    'Fra:'*'| Sample '*)
        # Of several frames, Blender's own lines tell only how far one of them is.
        [ $alone = yes ] || continue
        all=${'$'}{line##*| Sample }
        done=${'$'}{all%%/*}
        all=${'$'}{all#*/}
        all=${'$'}{all%%[!0-9]*}
        percent=$((100 * done / (all + 1)))
        [ "$percent" = "$last" ] || echo "openjd_progress: $percent"
        last=$percent
        ;;
    'Fra:'* | '') ;;
    *) printf '%s\n' "$line" ;;
    esac
done
echo "openjd_fail: Blender ended, and nobody is left to say how"
exit 1
`;

export const stopScript = `# stop-blender.sh DIR: ends Blender, whatever it does, and waits until it has ended.
set -u
dir=$1
[ -p "$dir/replies" ] || exit 0
exec 3<>"$dir/replies" 4<"$dir/replies"
[ -e "$dir/gone" ] && exit 0
exec 3>&-
# It holds no state but the scene it has read: nothing is lost by a hard end.
[ -e "$dir/pid" ] && kill -KILL "$(cat "$dir/pid")" 2>/dev/null
while IFS= read -r line <&4; do
    case $line in 'karst-gone '*) break ;; esac
done
exit 0
`;
