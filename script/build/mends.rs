//! What we change in Lua 5.1.5, each with its reason.
//!
//! # Source
//! - the published weaknesses of interpreters that servers of this kind embed, by their CVE numbers

/// One change: a text that is in a file exactly once, and what stands there instead.
pub struct Mend {
    /// The file.
    pub file: &'static str,
    /// What is replaced.
    pub place: &'static str,
    /// By what.
    pub by: &'static str,
}

const fn mend(file: &'static str, place: &'static str, by: &'static str) -> Mend {
    Mend { file, place, by }
}

/// All of them.
pub const MENDS: &[Mend] = &[
    // Tables that cannot be changed: what all scripts share (the globals, the libraries, the metatable of strings) must
    // not carry code from one script to another (CVE-2022-24735, CVE-2025-46818). The mark is looked at wherever a table
    // is changed, by scripts or by libraries.
    mend(
        "lobject.h",
        "lu_byte flags;  /* 1<<p means tagmethod(p) is not present */ \n",
        "lu_byte flags;  /* 1<<p means tagmethod(p) is not present */ \n  lu_byte readonly;\n",
    ),
    mend(
        "ltable.c",
        "  t->flags = cast_byte(~0);\n  /* temporary",
        "  t->flags = cast_byte(~0);\n  t->readonly = 0;\n  /* temporary",
    ),
    mend(
        "lvm.c",
        "      Table *h = hvalue(t);\n      TValue *oldval = luaH_set(",
        "      Table *h = hvalue(t);\n      TValue *oldval;\n      if (h->readonly)\n        luaG_runerror(L, \
         \"Attempt to modify a readonly table\");\n      oldval = luaH_set(",
    ),
    mend(
        "lapi.c",
        "  setobj2t(L, luaH_set(L, hvalue(t), L->top-2), L->top-1);",
        "  if (hvalue(t)->readonly)\n    luaG_runerror(L, \"Attempt to modify a readonly table\");\n  setobj2t(L, \
         luaH_set(L, hvalue(t), L->top-2), L->top-1);",
    ),
    mend(
        "lapi.c",
        "  setobj2t(L, luaH_setnum(L, hvalue(o), n), L->top-1);",
        "  if (hvalue(o)->readonly)\n    luaG_runerror(L, \"Attempt to modify a readonly table\");\n  setobj2t(L, \
         luaH_setnum(L, hvalue(o), n), L->top-1);",
    ),
    mend(
        "lapi.c",
        "    case LUA_TTABLE: {\n      hvalue(obj)->metatable = mt;",
        "    case LUA_TTABLE: {\n      if (hvalue(obj)->readonly)\n        luaG_runerror(L, \"Attempt to modify a \
         readonly table\");\n      hvalue(obj)->metatable = mt;",
    ),
    mend(
        "lapi.c",
        "LUA_API int lua_setmetatable (lua_State *L, int objindex) {",
        "LUA_API void tidemark_drop_handler (lua_State *L) {\n  L->errfunc = 0;\n}\n\nLUA_API void tidemark_look (lua_State *L) {\n  lua_Hook hook = L->hook;\n  if (hook != NULL && \
         L->allowhook) {\n    luaD_checkstack(L, LUA_MINSTACK);\n    hook(L, NULL);\n  }\n}\n\nLUA_API void \
         tidemark_set_readonly (lua_State *L, int index, int readonly) {\n  hvalue(index2adr(L, \
         index))->readonly = cast_byte(readonly);\n}\n\nLUA_API int tidemark_is_readonly (lua_State *L, int index) \
         {\n  return hvalue(index2adr(L, index))->readonly;\n}\n\nLUA_API int lua_setmetatable (lua_State *L, int \
         objindex) {",
    ),
    // Each coroutine counted its own instructions, from its beginning: a script that made ever more of them was never looked
    // at, and could not be ended. The hook and its count are the script's, and go with it.
    mend(
        "lapi.c",
        "LUA_API void lua_setlevel (lua_State *from, lua_State *to) {",
        "LUA_API void tidemark_pass_hook (lua_State *from, lua_State *to) {\n  to->hook = from->hook;\n  to->hookmask = \
         from->hookmask;\n  to->basehookcount = from->basehookcount;\n  to->hookcount = from->hookcount;\n}\n\n\
         LUA_API void lua_setlevel (lua_State *from, lua_State *to) {",
    ),
    mend(
        "lbaselib.c",
        "  lua_setlevel(L, co);\n  status = lua_resume(co, narg);",
        "  lua_setlevel(L, co);\n  tidemark_pass_hook(L, co);\n  status = lua_resume(co, narg);\n  \
         tidemark_pass_hook(co, L);",
    ),
    mend(
        "lbaselib.c",
        "static int auxresume (lua_State *L, lua_State *co, int narg) {",
        "LUA_API void tidemark_pass_hook (lua_State *from, lua_State *to);\n\n\
         static int auxresume (lua_State *L, lua_State *co, int narg) {",
    ),
    // The chunk's name is used while a chunk is parsed, and nothing held it (CVE-2025-49844).
    mend(
        "lparser.c",
        "  lexstate.buff = buff;\n  luaX_setinput(L, &lexstate, z, luaS_new(L, name));",
        "  TString *source = luaS_new(L, name);\n  setsvalue2s(L, L->top, source);\n  incr_top(L);\n  lexstate.buff = \
         buff;\n  luaX_setinput(L, &lexstate, z, source);",
    ),
    mend(
        "lparser.c",
        "  close_func(&lexstate);\n  lua_assert(funcstate.prev == NULL);",
        "  close_func(&lexstate);\n  L->top--;  /* the source's name */\n  lua_assert(funcstate.prev == NULL);",
    ),
    // How many results there are was computed in `int`, and could overflow (CVE-2025-46817).
    mend(
        "lbaselib.c",
        "  int i, e, n;\n  luaL_checktype(L, 1, LUA_TTABLE);\n  i = luaL_optint(L, 2, 1);",
        "  int i, e;\n  unsigned int n;\n  luaL_checktype(L, 1, LUA_TTABLE);\n  i = luaL_optint(L, 2, 1);",
    ),
    mend(
        "lbaselib.c",
        "  n = e - i + 1;  /* number of elements */\n  if (n <= 0 || !lua_checkstack(L, n))  /* n <= 0 means arith. \
         overflow */",
        "  n = (unsigned int)e - (unsigned int)i;\n  if (n >= INT_MAX || !lua_checkstack(L, (int)++n))",
    ),
    mend("lbaselib.c", "#include <ctype.h>\n", "#include <ctype.h>\n#include <limits.h>\n"),
    mend(
        "lbaselib.c",
        "    lua_rawgeti(L, 1, i);\n  return n;",
        "    lua_rawgeti(L, 1, i);\n  return (int)n;",
    ),
    // The length of a long bracket was counted in `int` (CVE-2025-46819).
    mend(
        "llex.c",
        "    save_and_next(ls);\n    count++;\n  }\n  return (ls->current == s) ? count : (-count) - 1;",
        "    save_and_next(ls);\n    if (++count > 1000000)\n      luaX_lexerror(ls, \"long bracket is too long\", 0);\n  \
         }\n  return (ls->current == s) ? count : (-count) - 1;",
    ),
    // Code that was compiled elsewhere can do what it likes to the interpreter: text only.
    mend(
        "ldo.c",
        "  int c = luaZ_lookahead(p->z);\n  luaC_checkGC(L);\n  tf = ((c == LUA_SIGNATURE[0]) ? luaU_undump : luaY_parser)(",
        "  luaZ_lookahead(p->z);\n  luaC_checkGC(L);\n  tf = luaY_parser(",
    ),
    // What a script asks to be run when memory is collected would run in the midst of any function, ours too, which count on
    // it that no code of scripts does; no hook would be called meanwhile, and no error caught at the interpreter's end.
    mend(
        "lgc.c",
        "    else if (fasttm(L, gco2u(curr)->metatable, TM_GC) == NULL) {",
        "    else if (1) {",
    ),
    // What is kept from one script to the next is little, and would be marked again after every few scripts: there may always be
    // some garbage.
    mend(
        "lgc.c",
        "#define setthreshold(g)  (g->GCthreshold = (g->estimate/100) * g->gcpause)",
        "#define GARBAGE_LEAST (40 * 1024)\n\nstatic void setthreshold (global_State *g) {\n  lu_mem least = g->estimate + \
         GARBAGE_LEAST;\n  lu_mem usual = (g->estimate/100) * g->gcpause;\n  g->GCthreshold = (usual < least) ? least : \
         usual;\n}",
    ),
    // All bytes of a string count for its hash: else many long strings that collide are easily made.
    mend(
        "lstring.c",
        "  size_t step = (l>>5)+1;  /* if string is too long, don't hash all its chars */",
        "  size_t step = 1;",
    ),
    // A pattern of many parts is matched by as many nested calls: the C stack is finite.
    mend(
        "lstrlib.c",
        "  lua_State *L;\n  int level;  /* total number of captures (finished or unfinished) */",
        "  lua_State *L;\n  int depth;  /* calls of `match' that are under way */\n  unsigned int steps;  /* all calls of it */\n  int level;  /* total number of \
         captures (finished or unfinished) */",
    ),
    mend(
        "lstrlib.c",
        "static const char *match (MatchState *ms, const char *s, const char *p) {\n  init:",
        "void tidemark_look (lua_State *L);\n\nstatic const char *match_here (MatchState *ms, const char *s, const char \
         *p);\n\nstatic const char *match \
         (MatchState *ms, const char *s, const char *p) {\n  const char *end;\n  if (++ms->depth > 1000)\n    \
         luaL_error(ms->L, \"pattern too complex\");\n  if ((++ms->steps & 0xfffff) == 0)\n    \
         tidemark_look(ms->L);\n  end = match_here(ms, s, p);\n  ms->depth--;\n  return \
         end;\n}\n\n\nstatic const char *match_here (MatchState *ms, const char *s, const char *p) {\n  init:",
    ),
    mend(
        "lstrlib.c",
        "    const char *s1=s+init;\n    ms.L = L;",
        "    const char *s1=s+init;\n    ms.depth = 0;\n  ms.steps = 0;\n    ms.L = L;",
    ),
    mend(
        "lstrlib.c",
        "  const char *src;\n  ms.L = L;",
        "  const char *src;\n  ms.depth = 0;\n  ms.steps = 0;\n  ms.L = L;",
    ),
    mend(
        "lstrlib.c",
        "  luaL_buffinit(L, &b);\n  ms.L = L;",
        "  luaL_buffinit(L, &b);\n  ms.depth = 0;\n  ms.steps = 0;\n  ms.L = L;",
    ),
    // How long a script has been running is looked at every so many instructions, and each may call a function that works
    // for long. So a call counts as many of them; and two loops without a call, of pattern matching and of `table.insert`
    // far below the first element, look for themselves.
    mend(
        "ldo.c",
        "    n = (*curr_func(L)->c.f)(L);  /* do the actual call */",
        "    if (L->hookcount > 128)\n      L->hookcount -= 127;\n    n = (*curr_func(L)->c.f)(L);  /* do the actual \
         call */",
    ),
    mend(
        "ltablib.c",
        "      for (i = e; i > pos; i--) {  /* move up elements */\n",
        "      for (i = e; i > pos; i--) {  /* move up elements */\n        if ((i & 0xffff) == 0)\n          \
         tidemark_look(L);\n",
    ),
    mend(
        "ltablib.c",
        "static int tinsert (lua_State *L) {",
        "void tidemark_look (lua_State *L);\n\nstatic int tinsert (lua_State *L) {",
    ),
    // A call may also work on very much. So 64 bytes count as an instruction, where memory is taken and where much is gone
    // through without taking any.
    mend(
        "lapi.c",
        "LUA_API void tidemark_pass_hook (lua_State *from, lua_State *to) {",
        "LUA_API void tidemark_charge (lua_State *L, size_t bytes) {\n  size_t cost = bytes >> 6;\n  if (L->hookcount > 1)\n    \
         L->hookcount = (cost < (size_t)L->hookcount - 1) ? L->hookcount - (int)cost : 1;\n}\n\n\
         LUA_API void tidemark_pass_hook (lua_State *from, lua_State *to) {",
    ),
    mend(
        "lmem.c",
        "void *luaM_realloc_ (lua_State *L, void *block, size_t osize, size_t nsize) {\n  global_State *g = G(L);",
        "LUA_API void tidemark_charge (lua_State *L, size_t bytes);\n\n\
         void *luaM_realloc_ (lua_State *L, void *block, size_t osize, size_t nsize) {\n  global_State *g = G(L);\n  \
         if (nsize > 4096)\n    tidemark_charge(L, nsize);",
    ),
    mend(
        "lstring.c",
        "  unsigned int h = cast(unsigned int, l);  /* seed */",
        "  unsigned int h = cast(unsigned int, l);  /* seed */\n  if (l > 4096)\n    tidemark_charge(L, l);",
    ),
    mend(
        "lstring.c",
        "TString *luaS_newlstr (lua_State *L, const char *str, size_t l) {",
        "LUA_API void tidemark_charge (lua_State *L, size_t bytes);\n\n\
         TString *luaS_newlstr (lua_State *L, const char *str, size_t l) {",
    ),
    mend(
        "lstrlib.c",
        "    const char *s2 = lmemfind(s+init, l1-init, p, l2);",
        "    const char *s2;\n    tidemark_charge(L, l1 - init);\n    s2 = lmemfind(s+init, l1-init, p, l2);",
    ),
    mend(
        "lstrlib.c",
        "static int str_len (lua_State *L) {",
        "LUA_API void tidemark_charge (lua_State *L, size_t bytes);\n\nstatic int str_len (lua_State *L) {",
    ),
    mend(
        "ltablib.c",
        "  lua_settop(L, 2);  /* make sure there is two arguments */\n  auxsort(L, 1, n);",
        "  lua_settop(L, 2);  /* make sure there is two arguments */\n  tidemark_charge(L, (size_t)n << 13);\n  \
         auxsort(L, 1, n);",
    ),
    mend(
        "ltablib.c",
        "  lua_rawgeti(L, 1, pos);  /* result = t[pos] */\n",
        "  lua_rawgeti(L, 1, pos);  /* result = t[pos] */\n  tidemark_charge(L, (size_t)(e - pos) << 9);\n",
    ),
    mend(
        "ltablib.c",
        "#define aux_getn(L,n)",
        "LUA_API void tidemark_charge (lua_State *L, size_t bytes);\n\n#define aux_getn(L,n)",
    ),
    mend(
        "lvm.c",
        "    return l_strcmp(rawtsvalue(l), rawtsvalue(r)) < 0;",
        "    return tidemark_charge(L, tsvalue(l)->len), l_strcmp(rawtsvalue(l), rawtsvalue(r)) < 0;",
    ),
    mend(
        "lvm.c",
        "    return l_strcmp(rawtsvalue(l), rawtsvalue(r)) <= 0;",
        "    return tidemark_charge(L, tsvalue(l)->len), l_strcmp(rawtsvalue(l), rawtsvalue(r)) <= 0;",
    ),
    mend(
        "lvm.c",
        "static int l_strcmp (const TString *ls, const TString *rs) {",
        "LUA_API void tidemark_charge (lua_State *L, size_t bytes);\n\n\
         static int l_strcmp (const TString *ls, const TString *rs) {",
    ),
    // Nothing, two thousand million times, is nothing, at once.
    mend(
        "lstrlib.c",
        "  luaL_buffinit(L, &b);\n  while (n-- > 0)\n    luaL_addlstring(&b, s, l);",
        "  luaL_buffinit(L, &b);\n  while (l > 0 && n-- > 0)\n    luaL_addlstring(&b, s, l);",
    ),
];
