//! The requests: every data command, its options in all combinations.
//!
//! # Not here
//! - SPOP with a count below the size, DUMP with RESTORE and the SCAN commands from end to end: steps of their own, see
//!   `contest`

use super::rules::Rule::{self, Exact, Near, Pairs, Scores, Unordered};

/// How often a request comes, its form, and how its replies are compared.
pub type Row = (usize, &'static str, Rule);

/// Requests that may stand anywhere, in MULTI as well.
pub const ANYWHERE: &[&[Row]] =
    &[STRINGS, BITS, LISTS, HASHES, SETS, SORTED_SETS, PLACES, KEYS, STREAMS, SERVER, SCRIPTS];

const STRINGS: &[Row] = &[
    (6, "SET <string> <value>", Exact),
    (4, "SET <number> <int>", Exact),
    (4, "SET <string> <value> [ NX | XX ] [ GET ] [ KEEPTTL ]", Exact),
    (
        4,
        "SET <string> <value> [ GET ] [ NX | XX ] ( EX <seconds> | PX <milliseconds> | EXAT <far> | PXAT <far-ms> )",
        Exact,
    ),
    (1, "SET <string> <value> EX <seconds> ( PX <milliseconds> | KEEPTTL | NX XX | GET )", Exact),
    (1, "SET <string> <value> NX GET XX", Exact),
    (4, "GET <string>", Exact),
    (2, "GETDEL <string>", Exact),
    (
        2,
        "GETEX <string> [ EX <seconds> | PX <milliseconds> | EXAT <far> | PXAT <far-ms> | PERSIST | EX <odd> ( PERSIST | <odd> ) ]",
        Exact,
    ),
    (1, "GETEX <string> ( EXAT 1 | PXAT <past> | EX 0 | PERSIST PERSIST | KEEPTTL )", Exact),
    (3, "GETRANGE <string> <index> <index>", Exact),
    (2, "SUBSTR <string> <index> <index>", Exact),
    (3, "GETSET <string> <value>", Exact),
    (3, "APPEND <string> <value>", Exact),
    (2, "APPEND <number> <value>", Exact),
    (2, "STRLEN <string>", Exact),
    (3, "SETRANGE <string> <offset> <value>", Exact),
    (2, "SETNX <string> <value>", Exact),
    (2, "SETEX <string> <seconds> <value>", Exact),
    (2, "PSETEX <string> <milliseconds> <value>", Exact),
    (1, "SETEX <string> ( 0 | -1 | x | 9223372036854775807 ) <value>", Exact),
    (2, "MGET <key> +", Exact),
    (2, "MSET ( <string> <value> ) +", Exact),
    (1, "MSETNX ( <string> <value> ) +", Exact),
    (3, "INCR <number>", Exact),
    (3, "DECR <number>", Exact),
    (3, "INCRBY <number> <int>", Exact),
    (3, "DECRBY <number> <int>", Exact),
    (5, "INCRBYFLOAT <number> <float>", Exact),
    (2, "LCS <string> <string> [ LEN ] [ IDX ] [ MINMATCHLEN <count> ] [ WITHMATCHLEN ]", Exact),
];

const BITS: &[Row] = &[
    (6, "SETBIT <bits> <bit> <bitvalue>", Exact),
    (3, "GETBIT <bits> <bit>", Exact),
    (3, "BITCOUNT <bits> [ <some> <some> [ BYTE | BIT ] ]", Exact),
    (3, "BITPOS <bits> <bitvalue> [ <some> [ <some> [ BYTE | BIT ] ] ]", Exact),
    (3, "BITOP ( AND | OR | XOR ) <bits> <bits> +", Exact),
    (1, "BITOP NOT <bits> <bits> [ <bits> ]", Exact),
    (1, "BITOP <odd> <bits> <bits>", Exact),
    (
        5,
        "BITFIELD <bits> ( ( GET <field-type> <field-offset> | SET <field-type> <field-offset> <int> | INCRBY <field-type> <field-offset> <int> | OVERFLOW ( WRAP | SAT | FAIL | x ) ) ) +",
        Exact,
    ),
    (2, "BITFIELD_RO <bits> ( GET <field-type> <field-offset> ) +", Exact),
    (
        1,
        "BITFIELD_RO <bits> [ GET <field-type> <field-offset> ] SET <field-type> <field-offset> <int>",
        Exact,
    ),
    (6, "PFADD <hll> <hll-member> +", Exact),
    (1, "PFADD <hll>", Exact),
    (3, "PFCOUNT <hll> [ <hll> + ]", Exact),
    (2, "PFMERGE <hll> <hll> +", Exact),
    (1, "PFDEBUG ( GETREG | DECODE | ENCODING | TODENSE | x ) <hll>", Exact),
    (1, "STRLEN <hll>", Exact),
];

const LISTS: &[Row] = &[
    (6, "RPUSH <list> <value> +", Exact),
    (6, "LPUSH <list> <value> +", Exact),
    (2, "RPUSHX <list> <value> +", Exact),
    (2, "LPUSHX <list> <value> +", Exact),
    (4, "LPOP <list> [ <count> ]", Exact),
    (4, "RPOP <list> [ <count> ]", Exact),
    (2, "LLEN <list>", Exact),
    (3, "LINDEX <list> <some>", Exact),
    (3, "LSET <list> <some> <value>", Exact),
    (4, "LRANGE <list> <some> <some>", Exact),
    (2, "LRANGE <list> 0 -1", Exact),
    (1, "LTRIM <list> <index> <some>", Exact),
    (3, "LREM <list> <index> <value>", Exact),
    (3, "LINSERT <list> ( BEFORE | AFTER | BEFORE | AFTER | <odd> ) <value> <value>", Exact),
    (4, "LPOS <list> <value> [ RANK <index> ] [ COUNT <count> ] [ MAXLEN <count> ]", Exact),
    (3, "LMOVE <list> <list> ( LEFT | RIGHT ) ( LEFT | RIGHT )", Exact),
    (3, "RPOPLPUSH <list> <list>", Exact),
    (3, "LMPOP <count-of-list> ( LEFT | RIGHT ) [ COUNT <count> ]", Exact),
    (1, "BLPOP <list> + <timeout>", Exact),
    (1, "BRPOP <list> + <timeout>", Exact),
    (1, "BLMOVE <list> <list> ( LEFT | RIGHT ) ( LEFT | RIGHT ) <timeout>", Exact),
    (1, "BRPOPLPUSH <list> <list> <timeout>", Exact),
    (1, "BLMPOP <timeout> <count-of-list> ( LEFT | RIGHT ) [ COUNT <count> ]", Exact),
];

const HASHES: &[Row] = &[
    (8, "HSET <hash> ( <field> <value> ) +", Exact),
    (2, "HMSET <hash> ( <field> <value> ) +", Exact),
    (3, "HSETNX <hash> <field> <value>", Exact),
    (4, "HGET <hash> <field>", Exact),
    (3, "HMGET <hash> <field> +", Exact),
    (4, "HDEL <hash> <field> +", Exact),
    (2, "HEXISTS <hash> <field>", Exact),
    (2, "HLEN <hash>", Exact),
    (2, "HSTRLEN <hash> <field>", Exact),
    (3, "HGETALL <hash>", Pairs),
    (2, "HKEYS <hash>", Unordered),
    (2, "HVALS <hash>", Unordered),
    (4, "HINCRBY <hash> <field> <int>", Exact),
    (4, "HINCRBYFLOAT <hash> <field> <float>", Exact),
    (
        1,
        "HRANDFIELD <hash> ( 0 | <odd> x | 3 WITHVALUE | -9223372036854775808 | 5 WITHVALUES x )",
        Exact,
    ),
    (1, "HSCAN <hash> ( x | -1 | 0 <odd> | 0 COUNT 0 | 0 COUNT x | 0 MATCH )", Rule::SameKind),
];

const SETS: &[Row] = &[
    (6, "SADD <set> <member> +", Exact),
    (4, "SADD <ints> <int> +", Exact),
    (1, "SADD <ints> <member> +", Exact),
    (4, "SREM <set> <member> +", Exact),
    (2, "SREM <ints> <int> +", Exact),
    (2, "SCARD <set>", Exact),
    (3, "SISMEMBER <set> <member>", Exact),
    (2, "SMISMEMBER <set> <member> +", Exact),
    (3, "SMEMBERS <set>", Unordered),
    (2, "SMEMBERS <ints>", Unordered),
    (3, "SMOVE <set> <set> <member>", Exact),
    (2, "SDIFF ( <set> | <ints> ) +", Unordered),
    (2, "SINTER ( <set> | <ints> ) +", Unordered),
    (2, "SUNION ( <set> | <ints> ) +", Unordered),
    (2, "SDIFFSTORE <set> ( <set> | <ints> ) +", Exact),
    (2, "SINTERSTORE <set> ( <set> | <ints> ) +", Exact),
    (1, "SUNIONSTORE <set> ( <set> | <ints> ) +", Exact),
    (1, "SUNIONSTORE <ints> <ints> +", Exact),
    (3, "SINTERCARD <count-of-set> [ LIMIT <index> ]", Exact),
    (1, "SPOP <set> 1000000", Unordered),
    (1, "SPOP <set> ( 0 | -1 | x | 1 2 )", Unordered),
    (1, "SRANDMEMBER <set> ( 0 | x | 1 2 | -9223372036854775808 )", Unordered),
    (1, "SSCAN <set> ( x | -1 | 0 <odd> | 0 COUNT 0 | 0 COUNT x | 0 MATCH )", Rule::SameKind),
];

const SORTED_SETS: &[Row] = &[
    (8, "ZADD <zset> ( <score> <member> ) +", Exact),
    (3, "ZADD <zset> [ NX | XX ] [ GT | LT ] [ CH ] ( <score> <member> ) +", Exact),
    (2, "ZADD <zset> [ XX | NX | GT | LT ] [ CH ] INCR <score> <member>", Scores),
    (1, "ZADD <zset> [ NX ] [ XX ] [ GT ] [ LT ] [ CH ] [ INCR ] ( <score> <member> ) +", Scores),
    (3, "ZINCRBY <zset> <score> <member>", Scores),
    (4, "ZREM <zset> <member> +", Exact),
    (2, "ZCARD <zset>", Exact),
    (3, "ZSCORE <zset> <member>", Scores),
    (2, "ZMSCORE <zset> <member> +", Scores),
    (3, "ZRANK <zset> <member>", Exact),
    (3, "ZREVRANK <zset> <member>", Exact),
    (3, "ZCOUNT <zset> <min> <max>", Exact),
    (2, "ZLEXCOUNT ( <names> | <names> | <names> | <no-names> ) <low> <high>", Exact),
    (3, "ZRANGE <zset> <some> <some> [ REV ] [ WITHSCORES ]", Scores),
    (
        3,
        "ZRANGE <zset> <min> <max> BYSCORE [ REV ] [ LIMIT <index> <index> ] [ WITHSCORES ]",
        Scores,
    ),
    (4, "ZADD <names> ( 0 <member> ) +", Exact),
    (1, "ZREM <names> <member>", Exact),
    (1, "SET <no-names> <value>", Exact),
    (
        2,
        "ZRANGE <names> <low> <high> BYLEX [ REV ] [ LIMIT <index> <index> ] [ WITHSCORES ]",
        Scores,
    ),
    (
        1,
        "ZRANGE <zset> <some> <some> ( BYSCORE BYLEX | LIMIT 0 1 | REV REV | BYSCORE LIMIT 0 )",
        Scores,
    ),
    (
        3,
        "ZRANGESTORE <zset> <zset> ( <some> <some> [ REV ] | <min> <max> BYSCORE [ REV ] [ LIMIT <index> <index> ] )",
        Exact,
    ),
    (
        2,
        "ZRANGESTORE ( <zset> | <names> ) <names> <low> <high> BYLEX [ REV ] [ LIMIT <index> <index> ]",
        Exact,
    ),
    (2, "ZREVRANGE <zset> <some> <some> [ WITHSCORES ]", Scores),
    (3, "ZRANGEBYSCORE <zset> <min> <max> [ WITHSCORES ] [ LIMIT <index> <index> ]", Scores),
    (3, "ZREVRANGEBYSCORE <zset> <max> <min> [ LIMIT <index> <index> ] [ WITHSCORES ]", Scores),
    (
        2,
        "ZRANGEBYLEX ( <names> | <names> | <names> | <no-names> ) <low> <high> [ LIMIT <index> <index> ]",
        Exact,
    ),
    (
        2,
        "ZREVRANGEBYLEX ( <names> | <names> | <names> | <no-names> ) <high> <low> [ LIMIT <index> <index> ]",
        Exact,
    ),
    (1, "ZREMRANGEBYRANK <zset> <some> <some>", Exact),
    (1, "ZREMRANGEBYSCORE <zset> <min> <max>", Exact),
    (1, "ZREMRANGEBYLEX ( <names> | <names> | <names> | <no-names> ) <low> <high>", Exact),
    (3, "ZPOPMIN <zset> [ <count> ]", Scores),
    (3, "ZPOPMAX <zset> [ <count> ]", Scores),
    (3, "ZMPOP <count-of-zset> ( MIN | MAX ) [ COUNT <count> ]", Scores),
    (
        2,
        "ZUNION <count-of-sets> [ WEIGHTS <weight> <weight> ] [ AGGREGATE ( SUM | MIN | MAX ) ] [ WITHSCORES ]",
        Scores,
    ),
    (
        2,
        "ZINTER <count-of-sets> [ WEIGHTS <weight> <weight> ] [ AGGREGATE ( SUM | MIN | MAX ) ] [ WITHSCORES ]",
        Scores,
    ),
    (2, "ZDIFF <count-of-sets> [ WITHSCORES ]", Scores),
    (
        2,
        "ZUNIONSTORE <zset> <count-of-sets> [ WEIGHTS <weight> [ <weight> ] ] [ AGGREGATE ( SUM | MIN | MAX | x ) ]",
        Exact,
    ),
    (
        2,
        "ZINTERSTORE <zset> <count-of-sets> [ WEIGHTS <weight> [ <weight> ] ] [ AGGREGATE ( SUM | MIN | MAX ) ]",
        Exact,
    ),
    (2, "ZDIFFSTORE <zset> <count-of-sets>", Exact),
    (2, "ZINTERCARD <count-of-sets> [ LIMIT <index> ]", Exact),
    (
        1,
        "ZRANDMEMBER <zset> ( 0 | x | 3 WITHSCORE | -9223372036854775808 | 5 WITHSCORES x )",
        Exact,
    ),
    (1, "ZSCAN <zset> ( x | -1 | 0 <odd> | 0 COUNT 0 | 0 COUNT x | 0 MATCH )", Rule::SameKind),
    (1, "BZPOPMIN <zset> + <timeout>", Scores),
    (1, "BZPOPMAX <zset> + <timeout>", Scores),
    (1, "BZMPOP <timeout> <count-of-zset> ( MIN | MAX ) [ COUNT <count> ]", Scores),
];

const PLACES: &[Row] = &[
    (5, "GEOADD <geo> [ NX | XX ] [ CH ] ( <lon> <lat> <member> ) +", Exact),
    (2, "GEOPOS <geo> <member> +", Exact),
    (2, "GEOHASH <geo> <member> +", Exact),
    (2, "GEODIST <geo> <member> <member> [ m | km | ft | mi | x ]", Exact),
    (
        2,
        "GEOSEARCH <geo> ( FROMLONLAT <lon> <lat> | FROMMEMBER <member> ) ( BYRADIUS <distance> ( m | km | ft | mi ) | BYBOX <distance> <distance> ( m | km | ft | mi ) ) [ ASC | DESC ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ]",
        Unordered,
    ),
    (
        1,
        "GEOSEARCH <geo> [ FROMLONLAT <lon> <lat> ] [ FROMMEMBER <member> ] [ BYRADIUS <distance> km ] [ BYBOX <distance> <distance> km ] [ COUNT <count> [ ANY ] ] [ ANY ] [ WITHDIST ]",
        Rule::SameKind,
    ),
    (
        2,
        "GEOSEARCHSTORE <geo> <geo> ( FROMLONLAT <lon> <lat> | FROMMEMBER <member> ) ( BYRADIUS <distance> km | BYBOX <distance> <distance> km ) [ ASC | DESC ] [ STOREDIST ]",
        Exact,
    ),
    (
        1,
        "GEOSEARCHSTORE <geo> <geo> FROMLONLAT 1 1 BYRADIUS 500 km [ STOREDIST ] ( WITHDIST | WITHCOORD | WITHHASH | STORE <geo> )",
        Exact,
    ),
    (
        2,
        "GEORADIUS <geo> <lon> <lat> <distance> ( m | km ) [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] [ ASC | DESC ]",
        Unordered,
    ),
    (
        1,
        "GEORADIUS <geo> <lon> <lat> <distance> ( m | km ) [ WITHDIST ] [ STORE <geo> | STOREDIST <geo> ]",
        Unordered,
    ),
    (
        2,
        "GEORADIUS_RO <geo> <lon> <lat> <distance> km [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] [ STORE <geo> ]",
        Unordered,
    ),
    (
        2,
        "GEORADIUSBYMEMBER <geo> <member> <distance> ( m | km ) [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] [ ASC | DESC ]",
        Unordered,
    ),
    (
        1,
        "GEORADIUSBYMEMBER <geo> <member> <distance> ( m | km ) [ STORE <geo> | STOREDIST <geo> ]",
        Unordered,
    ),
    (
        2,
        "GEORADIUSBYMEMBER_RO <geo> <member> <distance> km [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ]",
        Unordered,
    ),
    (1, "ZRANGE <geo> 0 -1 WITHSCORES", Scores),
];

const KEYS: &[Row] = &[
    (3, "DEL <key> +", Exact),
    (1, "UNLINK <key> +", Exact),
    (2, "EXISTS <key> +", Exact),
    (1, "TOUCH <key> +", Exact),
    (3, "TYPE <key>", Exact),
    (4, "OBJECT ENCODING <key>", Exact),
    (1, "OBJECT ( FREQ <key> | REFCOUNT | ENCODING | x <key> )", Exact),
    (1, "OBJECT IDLETIME", Near),
    (2, "RENAME <key> <key>", Exact),
    (2, "RENAMENX <key> <key>", Exact),
    (3, "COPY <key> <key> [ DB <db> ] [ REPLACE ]", Exact),
    (1, "MOVE <key> <db>", Exact),
    (2, "EXPIRE <key> <seconds> [ NX | XX ]", Exact),
    (2, "PEXPIRE <key> <milliseconds> [ NX | XX ]", Exact),
    (3, "EXPIREAT <key> <far> [ NX | XX | GT | LT ] [ NX | XX | GT | LT ]", Exact),
    (3, "PEXPIREAT <key> <far-ms> [ NX | XX | GT | LT | x ]", Exact),
    (1, "EXPIREAT <key> <past> [ NX | XX | GT | LT ]", Exact),
    (1, "PEXPIREAT <key> <past> [ NX | XX | GT | LT ]", Exact),
    (
        1,
        "EXPIRE <key> ( 0 | -1 | -100 | 9223372036854775807 | -9223372036854775808 | x ) [ NX | XX | GT | LT ]",
        Exact,
    ),
    (
        1,
        "PEXPIRE <key> ( 0 | -1 | -100 | 9223372036854775807 | -9223372036854775808 | x ) [ NX | XX | GT | LT ]",
        Exact,
    ),
    (3, "PERSIST <key>", Exact),
    (2, "TTL <key>", Near),
    (2, "PTTL <key>", Near),
    (2, "EXPIRETIME <key>", Near),
    (2, "PEXPIRETIME <key>", Near),
    (1, "KEYS <pattern>", Unordered),
    (
        3,
        "SORT ( <list> | <set> | <ints> | <zset> ) [ BY nosort | ALPHA ] [ ASC | DESC ] [ LIMIT <index> <index> ]",
        Rule::Sorted,
    ),
    (
        1,
        "SORT ( <list> | <set> | <ints> | <zset> ) BY nosort [ DESC ] [ LIMIT <index> <index> ] STORE <list>",
        Rule::Sorted,
    ),
    (
        3,
        "SORT ( <list> | <set> | <ints> | <zset> ) [ BY <by> ] [ GET <get> + ] [ ALPHA ] [ DESC ]",
        Rule::Sorted,
    ),
    (
        2,
        "SORT ( <list> | <ints> ) ALPHA [ GET <get> + ] [ LIMIT <index> <index> ] [ STORE <list> ]",
        Rule::Sorted,
    ),
    (
        2,
        "SORT_RO ( <list> | <set> | <ints> | <zset> ) [ BY <by> ] [ GET <get> + ] [ ALPHA ] [ STORE <list> ]",
        Rule::Sorted,
    ),
    (
        1,
        "RESTORE <key> ( 0 | -1 | x ) <odd> [ REPLACE ] [ ABSTTL ] [ IDLETIME <index> ] [ FREQ <index> ]",
        Exact,
    ),
    (
        1,
        "RESTORE-ASKING <key> ( 0 | -1 | x ) <odd> [ REPLACE ] [ ABSTTL ] [ IDLETIME <index> ] [ FREQ <index> ]",
        Exact,
    ),
    (1, "SCAN ( x | -1 | 0 <odd> | 0 COUNT 0 | 0 COUNT x | 0 MATCH | 0 TYPE )", Rule::SameKind),
];

/// No ids made of the clock, which differ, and nothing that waits. How long entries are with consumers is not compared, nor
/// how many consumers there are and how far groups are behind: in 7.2 a consumer that XREADGROUP names exists also when there
/// is nothing to read, and the count of what a group has read is kept in more cases.
const STREAMS: &[Row] = &[
    (
        8,
        "XADD <stream> [ NOMKSTREAM ] [ MAXLEN [ = | ~ ] <some> | MINID [ = | ~ ] <id> | MAXLEN ~ <some> LIMIT <some> ] <new-id> ( <field> <value> ) +",
        Exact,
    ),
    (2, "XLEN <stream>", Exact),
    (3, "XRANGE <stream> ( - | <id> ) ( <end> | <id> ) [ COUNT <index> ]", Exact),
    (2, "XREVRANGE <stream> ( <end> | <id> ) ( - | <id> ) [ COUNT <index> ]", Exact),
    (2, "XDEL <stream> <id> +", Exact),
    (2, "XTRIM <stream> ( MAXLEN | MINID ) [ = | ~ ] <some> [ LIMIT <some> ]", Exact),
    (1, "XSETID <kept-stream> <new-id> [ ENTRIESADDED <some> ]", Exact),
    (2, "XADD <kept-stream> <new-id> <field> <value>", Exact),
    (3, "XREAD [ COUNT <index> ] STREAMS <stream> ( <id> | 0 | $ )", Exact),
    (1, "XREAD [ COUNT <index> ] STREAMS <stream> <stream> <id> [ <id> ]", Exact),
    (
        3,
        "XGROUP CREATE <stream> <group> ( <id> | $ | 0 ) [ MKSTREAM ] [ ENTRIESREAD <some> ]",
        Exact,
    ),
    (1, "XGROUP DESTROY <stream> <group>", Exact),
    (1, "XGROUP SETID <stream> <group> ( <id> | $ | 0 ) [ ENTRIESREAD <some> ]", Exact),
    (1, "XGROUP CREATECONSUMER <stream> <group> <consumer>", Rule::SameKind),
    (1, "XGROUP DELCONSUMER <stream> <group> <consumer>", Exact),
    (
        6,
        "XREADGROUP GROUP <group> <consumer> [ COUNT <index> ] [ NOACK ] STREAMS <stream> ( > | > | <id> )",
        Exact,
    ),
    (2, "XACK <stream> <group> <id> +", Exact),
    (2, "XPENDING <stream> <group>", Exact),
    (
        1,
        "XPENDING <stream> <group> ( - | <id> ) ( <end> | <id> ) <count> [ <consumer> ]",
        Rule::SameKind,
    ),
    (
        2,
        "XCLAIM <stream> <group> <consumer> 0 <id> + [ RETRYCOUNT <count> ] [ FORCE ] [ JUSTID ] [ LASTID <id> ]",
        Exact,
    ),
    (
        2,
        "XAUTOCLAIM <stream> <group> <consumer> 0 ( 0 | <id> ) [ COUNT <count> ] [ JUSTID ]",
        Exact,
    ),
    (1, "XINFO STREAM <stream> [ FULL ]", Rule::SameKind),
    (1, "XINFO GROUPS <stream>", Rule::SameKind),
    (1, "XINFO CONSUMERS <stream>", Rule::SameKind),
];

const SERVER: &[Row] = &[
    (2, "DBSIZE", Exact),
    (4, "SELECT ( 0 | 0 | 0 | 0 | 1 | 2 | 99 | x )", Exact),
    (1, "SWAPDB <db> <db>", Exact),
    (1, "ECHO <value>", Exact),
    (1, "PING [ <value> ]", Exact),
];

/// Scripts and functions, and what tells of users and of what took long.
const SCRIPTS: &[Row] = &[
    (24, "EVAL <script> 2 <key> <key> <value> <int>", Exact),
    (4, "EVAL_RO <script> 2 <key> <key> <value> <int>", Exact),
    (2, "EVAL <script> ( -1 | 0 | 3 | 9 | x ) <key> <key>", Exact),
    (2, "EVALSHA <digest> 1 <key> <value>", Exact),
    (1, "EVALSHA_RO <digest> 1 <key> <value>", Exact),
    (
        2,
        "SCRIPT ( LOAD <script> | EXISTS <digest> <digest> | FLUSH [ ASYNC | SYNC | x ] | KILL | x )",
        Exact,
    ),
    (2, "FCALL ( look | bump | none ) ( 1 | x | -1 ) <number> [ <int> ]", Exact),
    (1, "FCALL_RO ( look | bump ) 1 <number>", Exact),
    (
        1,
        "FUNCTION ( DELETE ( lib | x ) | KILL | FLUSH [ SYNC | x ] | LIST LIBRARYNAME x | STATS )",
        Rule::SameKind,
    ),
    (2, "FUNCTION LOAD [ REPLACE | x ] ( <odd> | <library> )", Exact),
    (
        1,
        "ACL ( WHOAMI | USERS | DRYRUN default GET <key> | DRYRUN nobody GET x | CAT x | DELUSER nobody default )",
        Exact,
    ),
    (1, "SLOWLOG ( RESET | GET x | GET -2 | x )", Exact),
    (1, "LATENCY ( RESET x | HISTORY x | x )", Exact),
    (1, "MEMORY USAGE ( none | none SAMPLES x | none SAMPLES -1 )", Exact),
];

/// Requests whose replies are made by chance. Another request, whose replies hold all that may be chosen, follows.
pub const CHANCES: &[(&str, &str)] = &[
    ("SRANDMEMBER <set> [ <some> ]", "SMEMBERS"),
    ("SRANDMEMBER <ints> [ <some> ]", "SMEMBERS"),
    ("HRANDFIELD <hash> [ <some> [ WITHVALUES ] ]", "HGETALL"),
    ("ZRANDMEMBER <zset> [ <some> [ WITHSCORES ] ]", "ZRANGE"),
    ("RANDOMKEY", "KEYS"),
];

/// Requests that leave a key that has expired, which is gone for certain once it was looked at.
pub const EXPIRED: &[&str] =
    &["SET <string> <value> ( EXAT 1 | PXAT 1 | EXAT <past> | PXAT <past> )"];

/// Data commands that have no form of their own, with the reason.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("dump", "a step of its own, with RESTORE of the payload by the other server"),
    ("watch", "part of the steps with MULTI"),
    ("unwatch", "part of the steps with MULTI"),
    ("multi", "part of the steps with MULTI"),
    ("exec", "part of the steps with MULTI"),
    ("discard", "part of the steps with MULTI"),
    ("flushdb", "part of the steps that begin anew"),
    ("flushall", "part of the steps that begin anew"),
    ("randomkey", "among those whose replies are made by chance"),
    ("wait", "tells about replicas, not data"),
    ("waitaof", "tells about files, not data; 7.0 does not know it"),
    ("pfselftest", "changes nothing and takes long"),
    ("migrate", "moves data to another server"),
];
