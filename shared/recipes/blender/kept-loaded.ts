/**
 * POSIX sh, as nodes need not have Python outside Blender. OpenJD format strings resolve these
 * texts, so they hold no double braces; everything that varies comes as an argument.
 *
 * Two FIFOs in a directory only the owner can enter: `requests` carries one line a task to Blender,
 * `replies` one line back. A supervisor waits for Blender's end and tells it both in the file `gone`
 * and through `replies`, so that a task never waits for an answer that cannot come. What Blender says
 * never passes through these scripts: while it loads it has the output of start-blender.sh, while it
 * renders that of the task, and `idle.log` in between.
 */
export const startScript = `# start-blender.sh DIR COMMAND...: starts Blender and returns once it waits for frames.
set -eu
dir=$1
shift
mkdir -m 700 "$dir"
mkfifo -m 600 "$dir/requests" "$dir/replies"
# Open both ways before anyone else does: no one blocks for want of the other end.
exec 3<>"$dir/replies" 6>&1
(
    "$@" </dev/null >&6 2>&1 3>&- 6>&- &
    exec 6>&-
    echo $! >"$dir/pid"
    code=0
    wait $! || code=$?
    echo "$code" >"$dir/gone"
    echo "karst-gone $code" >&3
) </dev/null >/dev/null 2>&1 &
exec 4<"$dir/replies" 3>&-
IFS= read -r line <&4 || line=
[ "$line" = karst-ready ] && exit 0
echo "openjd_fail: Blender ended before its scene was loaded"
exit 1
`;

export const askScript = `# ask-blender.sh DIR FRAMES [OPTIONS...]: has the waiting Blender render frames, into this output.
set -u
dir=$1
shift
ended() {
    # What it said since it was done with its last frames.
    cat "$dir/idle.log"
    echo "openjd_fail: $1 (exit code $2)"
    # As if it had been this process: whoever judges the task knows a crash from a refusal.
    ulimit -c 0
    [ "$2" -gt 128 ] && kill "-$(($2 - 128))" $$
    exit 1
}
if ! [ -p "$dir/replies" ]; then
    echo "openjd_fail: no Blender was started in this session"
    exit 1
fi
exec 3<>"$dir/replies" 4<"$dir/replies" 5<>"$dir/requests"
if [ -e "$dir/gone" ]; then
    ended "Blender has ended before" "$(cat "$dir/gone")"
fi
exec 3>&-
# Blender writes to the very file that this script's output goes to, where it can be opened; else
# through a pipe that ends when Blender lets go of it. Not as number 1: that is the requests' pipe
# while the shell writes to it.
exec 6>&1
out=/proc/$$/fd/6
relay=
if ! [ -f "$out" ]; then
    out=out-$$
    mkfifo -m 600 "$dir/$out"
    exec 7<>"$dir/$out" 8<"$dir/$out"
    cat <&8 7>&- &
    relay=$!
    exec 8<&-
fi
echo "$$ $out $*" >&5
IFS= read -r line <&4 || line=
if [ -n "$relay" ]; then
    exec 7>&-
    wait "$relay"
    rm -f "$dir/$out"
fi
case $line in
"karst-done $$ "*) exit "\${line##* }" ;;
'karst-gone '*) ended "Blender ended while it rendered" "\${line##* }" ;;
esac
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
