-- A commit: it looks first and writes then, so that a conflict leaves everything as it was. Returns the number of the write
-- whose expectation did not hold, 0 when all was written.
--
-- KEYS[1]: the counter of sequences. ARGV: the store's prefix, the tenant, the tenant as part of keys, and the writes:
--   P kind id expect parent label due body      expect, due: '' = none; label: '' = none, else '=' and the label
--   D kind id expect
--   A log after count entry...
--   X log

local prefix, tenant, owner = ARGV[1], ARGV[2], ARGV[3]
local HEAD = 25
local documents, logs = {}, {}
local touched, named = {}, {}
local sequence = nil

local function stored(key)
  local raw = redis.call('GETRANGE', key, 0, 255)
  if raw == '' then return nil end
  local version, number, parents, labels, dues = struct.unpack('>I8I8I4I4I1', raw)
  local label = HEAD + parents
  local due = label + math.max(labels - 1, 0)
  if #raw < due + dues then raw = redis.call('GETRANGE', key, 0, due + dues - 1) end
  return {
    version = version,
    sequence = number,
    parent = string.sub(raw, HEAD + 1, label),
    label = labels > 0 and string.sub(raw, label + 1, due),
    due = string.sub(raw, due + 1, due + dues),
  }
end

local function document(kind, id)
  local key = prefix .. 'd:' .. owner .. ':' .. kind .. ':' .. id
  local found = documents[key]
  if not found then
    local before = stored(key)
    found = { key = key, kind = kind, id = id, before = before, now = before }
    documents[key] = found
    touched[#touched + 1] = found
  end
  return found
end

local function log(name)
  local key = prefix .. 'e:' .. owner .. ':' .. name
  local found = logs[key]
  if not found then
    found = { key = key, length = redis.call('LLEN', key), entries = {} }
    logs[key] = found
    named[#named + 1] = found
  end
  return found
end

local function holds(found, expect)
  return expect == '' or tonumber(expect) == (found.now and found.now.version or 0)
end

local function put(at)
  local found = document(ARGV[at + 1], ARGV[at + 2])
  if not holds(found, ARGV[at + 3]) then return false end
  local label = ARGV[at + 5]
  local now = {
    version = found.now and found.now.version + 1 or 1,
    sequence = found.now and found.now.sequence,
    parent = ARGV[at + 4],
    label = label ~= '' and string.sub(label, 2),
    due = ARGV[at + 6],
    body = at + 7,
  }
  if not now.sequence then
    sequence = (sequence or tonumber(redis.call('GET', KEYS[1]) or '0')) + 1
    now.sequence = sequence
  end
  found.now = now
  return at + 8
end

local function delete(at)
  local found = document(ARGV[at + 1], ARGV[at + 2])
  if not holds(found, ARGV[at + 3]) then return false end
  found.now = nil
  return at + 4
end

local function append(at)
  local found = log(ARGV[at + 1])
  local after, count = ARGV[at + 2], tonumber(ARGV[at + 3])
  if after ~= '' and tonumber(after) ~= found.length then return false end
  for place = at + 4, at + 3 + count do
    found.entries[#found.entries + 1] = ARGV[place]
  end
  found.length = found.length + count
  return at + 4 + count
end

local function drop(at)
  local found = log(ARGV[at + 1])
  found.dropped, found.length, found.entries = true, 0, {}
  return at + 2
end

local function indexes(found, state)
  local shelf = owner .. ':' .. found.kind
  local names = { prefix .. 'k:' .. shelf, prefix .. 'p:' .. shelf .. ':' .. state.parent }
  if state.label then
    names[3] = prefix .. 'l:' .. shelf .. ':' .. state.label
    names[4] = prefix .. 'b:' .. shelf .. ':' .. #state.parent .. ':' .. state.parent .. ':' .. state.label
  end
  return names
end

local function whole(number)
  return string.format('%.0f', number)
end

local function due(found, state)
  return struct.pack('>I8I4', state.sequence, #tenant) .. tenant .. found.id
end

local function file(found)
  local before, now = found.before, found.now
  local stays = before and now and before.sequence == now.sequence
  if now then
    local label = now.label or ''
    redis.call('SET', found.key, struct.pack('>I8I8I4I4I1', now.version, now.sequence, #now.parent,
      now.label and #label + 1 or 0, #now.due) .. now.parent .. label .. now.due .. ARGV[now.body])
  elseif before then
    redis.call('UNLINK', found.key)
  end
  if not (stays and before.parent == now.parent and before.label == now.label) then
    for _, name in ipairs(before and indexes(found, before) or {}) do redis.call('ZREM', name, found.id) end
    for _, name in ipairs(now and indexes(found, now) or {}) do
      redis.call('ZADD', name, whole(now.sequence), found.id)
    end
  end
  if not (stays and before.due == now.due) then
    local queue = prefix .. 'u:' .. found.kind
    if before and before.due ~= '' then redis.call('ZREM', queue, due(found, before)) end
    if now and now.due ~= '' then redis.call('ZADD', queue, now.due, due(found, now)) end
  end
end

local function extend(found)
  if found.dropped then redis.call('UNLINK', found.key) end
  for first = 1, #found.entries, 1000 do -- what fits on Lua's stack
    redis.call('RPUSH', found.key, unpack(found.entries, first, math.min(first + 999, #found.entries)))
  end
end

local verbs = { P = put, D = delete, A = append, X = drop }
local at, write = 4, 0
while at <= #ARGV do
  write = write + 1
  at = verbs[ARGV[at]](at)
  if not at then return write end
end

if sequence then redis.call('SET', KEYS[1], whole(sequence)) end
for _, found in ipairs(touched) do
  if found.before ~= found.now then file(found) end
end
for _, found in ipairs(named) do extend(found) end
for _, found in ipairs(named) do
  -- An error here must not look like one of the commit, which stands.
  if #found.entries > 0 then redis.pcall('PUBLISH', found.key, '') end
end
return 0
