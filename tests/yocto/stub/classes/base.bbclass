# Of OpenEmbedded-Core: its shell functions for messages, and the tasks that every recipe has.
addtask compile
addtask install after do_compile
addtask build after do_install

do_compile() {
    :
}
do_install() {
    :
}
do_build() {
    :
}

bbplain() {
    echo "$*"
}
bbnote() {
    echo "NOTE: $*"
}
bbwarn() {
    echo "WARNING: $*"
}
bbfatal() {
    echo "ERROR: $*"
    exit 1
}
