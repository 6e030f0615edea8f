"""What must hold of a disk after a cut, whenever it came."""

import json
import os

import tree as trees


def judge(machine, tree, promised, known):
    """The problems of `tree`; `promised` are the ids of containers that must be there, `known` the sums of whole files
    by kind."""
    machine.put(tree)
    ids = sorted(os.listdir(machine.state))
    problems = [*torn_files(machine, ids, known)]
    stopped, listed = look(machine, ids)
    problems += listed
    problems += [f"{id_} was created, and is gone" for id_ in sorted(promised - set(stopped))]
    problems += delete_each(machine, ids, stopped)
    problems += live_on(machine, "delete")
    machine.put(tree)
    problems += create_each(machine, ids, stopped)
    problems += live_on(machine, "delete --force")
    return problems


def torn_files(machine, ids, known):
    """Files that are there by their own name, and not whole."""
    for id_ in ids:
        folder = os.path.join(machine.state, id_)
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if name == "record.json" and not is_record(path, id_):
                yield f"{id_}/{name} is torn"
            elif name in ("coredump", "trace") and trees.sum_of(path) not in known[name]:
                yield f"{id_}/{name} is torn: {os.path.getsize(path)} bytes"
            elif name == "firmware":
                link = os.readlink(path)
                if os.path.dirname(link) != machine.firmware or not machine.is_stored_name(os.path.basename(link)):
                    yield f"{id_}/{name} is torn: {link}"
            elif name == "settings" and not os.readlink(path):
                yield f"{id_}/{name} is torn"
    for name in sorted(os.listdir(machine.firmware)):
        path = os.path.join(machine.firmware, name)
        if machine.is_stored_name(name) and trees.sum_of(path) not in known["firmware"]:
            yield f"firmware/{name} is torn: {os.path.getsize(path)} bytes"
    pids = os.path.join(machine.place, "disk/pids")
    for name in sorted(os.listdir(pids)) if os.path.isdir(pids) else []:
        with open(os.path.join(pids, name), encoding="ascii", errors="replace") as file:
            if not name.endswith(".part") and not file.read().isdecimal():
                yield f"pids/{name} is torn"


def is_record(path, id_):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)["id"] == id_
    except (ValueError, KeyError):
        return False


def look(machine, ids):
    """The ids of those that are stopped, and what is wrong with what the binary says of all of them."""
    code, out, err = machine.run("list", "--format", "json")
    if code or err:
        return [], [f"list ended with {code}: {err.strip()}"]
    told = {entry["id"]: entry for entry in json.loads(out)}
    problems = [] if sorted(told) == ids else [f"list tells {sorted(told)}, there are {ids}"]
    stopped = []
    for id_, entry in told.items():
        code, out, err = machine.run("state", id_)
        if entry["status"] == "unknown":
            # What a create had not finished is no container.
            if code != 1 or "does not exist" not in err:
                problems.append(f"state of {id_}, which is unknown, ended with {code}: {err.strip()}")
        elif (entry["status"], entry["pid"]) != ("stopped", 0) or code or json.loads(out)["status"] != "stopped":
            problems.append(f"{id_} is said to be {entry['status']} with pid {entry['pid']}; state: {out}{err}")
        else:
            stopped.append(id_)
    return stopped, problems


def delete_each(machine, ids, stopped):
    """Each goes, a container without force, and nothing of it stays but firmware that no record names."""
    for id_ in ids:
        code, _, err = machine.run("delete", id_)
        if id_ in stopped and code:
            yield f"delete {id_} ended with {code}: {err.strip()}"
        if id_ not in stopped:
            if code != 1 or "does not exist" not in err:
                yield f"delete {id_}, which is unknown, ended with {code}: {err.strip()}"
            code, _, err = machine.run("delete", "--force", id_)
            if code or err:
                yield f"delete --force {id_} ended with {code}: {err.strip()}"
        if os.path.exists(os.path.join(machine.state, id_)):
            yield f"{id_} stays after its delete"


def create_each(machine, ids, stopped):
    """What a create had left is free for the next one of its name, a container is not; force takes all of it."""
    for id_ in ids:
        code, _, err = machine.create(id_)
        if id_ in stopped and (code != 1 or "already exists" not in err):
            yield f"create {id_}, which exists, ended with {code}: {err.strip()}"
        if id_ not in stopped and (code or err):
            yield f"create {id_}, which is unknown, ended with {code}: {err.strip()}"
    for id_ in reversed(ids):
        code, _, err = machine.run("delete", "--force", id_)
        if code or err:
            yield f"delete --force {id_} ended with {code}: {err.strip()}"


def live_on(machine, after):
    """A new container on what is left: its create sweeps the firmware of the other boot, and after it nothing is left."""
    code, _, err = machine.create("fresh")
    if code or err:
        yield f"after {after}: create fresh ended with {code}: {err.strip()}"
    stored = os.listdir(machine.firmware)
    if len(stored) != 1:
        yield f"after {after}: the firmware of the earlier boot is not swept: {stored}"
    code, _, err = machine.run("delete", "--force", "fresh")
    if code or err:
        yield f"after {after}: delete --force fresh ended with {code}: {err.strip()}"
    left = os.listdir(machine.state) + os.listdir(machine.firmware)
    if left:
        yield f"after {after}: left: {left}"


def blunders(machine, known):
    """Files of the writer that is wrong on purpose that are torn: that they are shows that this looks at the right
    thing."""
    folder = os.path.join(machine.place, "disk/wrong")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    paths = [os.path.join(folder, name) for name in names if not name.endswith(".part")]
    return sum(trees.sum_of(path) not in known["firmware"] for path in paths)
