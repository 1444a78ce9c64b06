/** POSIX sh; OpenJD format strings resolve it, so it holds no double braces. */
export const encodeScript = String.raw`# encode-frames.sh FOLDER PREFIX SUFFIX FPS CRF MOVIE: an H.264 film of numbered pictures.
# Numbers are compared as numbers: -5 comes before 5, 9999 before 10000, and gaps are skipped.
set -eu
folder=$1 prefix=$2 suffix=$3 fps=$4 crf=$5 movie=$6
case $suffix in
*.[pP][nN][gG]) decoder=png ;;
*) decoder=mjpeg ;;
esac
cd "$folder"
frames=$(
    for file in "$prefix"*"$suffix"; do
        number=${'$'}{file#"$prefix"}
        number=${'$'}{number%"$suffix"}
        case $number in
        '' | *[!0-9-]*) continue ;;
        esac
        printf '%s %s\n' "$number" "$file"
    done | sort -n | cut -d ' ' -f 2-
)
if [ -z "$frames" ]; then
    echo "openjd_fail: there is no $prefix*$suffix to make a movie of"
    exit 1
fi
echo "openjd_status: $(printf '%s\n' "$frames" | wc -l) frames"
mkdir -p "$(dirname "$movie")"
# Even sizes: yuv420p keeps one colour sample for two by two pixels.
printf '%s\n' "$frames" | xargs cat | ffmpeg -nostdin -hide_banner -loglevel warning -xerror -y \
    -f image2pipe -framerate "$fps" -c:v "$decoder" -i pipe:0 \
    -vf 'pad=ceil(iw/2)*2:ceil(ih/2)*2' -c:v libx264 -crf "$crf" -pix_fmt yuv420p \
    -movflags +faststart -an "$movie"
echo "openjd_progress: 100"
`;
