#include "exporter/options.h"

#include <gtest/gtest.h>

namespace monitor::exporter {
namespace {

struct Case {
  const char* uri;
  const char* masked;
};

TEST(MaskedUri, HidesThePasswordWhereverItStands) {
  for (const auto& [uri, masked] : {
           Case{"postgresql://test:1234567890@127.0.0.1:5432/test", "postgresql://test:***@127.0.0.1:5432/test"},
           Case{"postgres://u:p%40ss%2Fw@h/d?sslmode=require", "postgres://u:***@h/d?sslmode=require"},
           Case{"postgresql://u:p?s@h/d", "postgresql://u:***@h/d"},
           Case{"postgresql://u:x@[::1]:5432,b:6432/d", "postgresql://u:***@[::1]:5432,b:6432/d"},
           Case{"postgresql://h/d?user=u&password=secret&sslpassword=two",
                "postgresql://h/d?user=u&password=***&sslpassword=***"},
           Case{"postgresql://h/d?pass%77ord=secret", "postgresql://h/d?pass%77ord=***"},
           Case{"postgresql:///d?host=/run/pg&password=a", "postgresql:///d?host=/run/pg&password=***"},
           Case{"host=h dbname=d user=u password=secret", "host=h dbname=d user=u password=***"},
           Case{"password = 'a b\\' c' host=h", "password = *** host=h"},
           Case{"password=a\\ b host=h", "password=*** host=h"},
           Case{"password=one password=two", "password=*** password=***"},
           Case{"postgresql://u@h/d", "postgresql://u@h/d"},
           Case{"postgresql://u:@h/d", "postgresql://u:@h/d"},
           Case{"postgresql://h:5432/d", "postgresql://h:5432/d"},
           Case{"", ""},
       }) {
    EXPECT_EQ(masked_uri(uri), masked) << uri;
  }
}

TEST(MaskedUri, ShowsNothingOfWhatItCannotRead) {
  for (const char* uri : {"postgresql://u:se/cret@h/d", "postgresql://u:sec@ret@h/d", "mysql://u:secret@h/d",
                          "postgresql://u:se%zzcret@h/d", "password='secret", "secret", "postgresql://u:se?c/ret@h/d",
                          "postgresql://h/d?pasword=secret", "passwort=secret host=h", "postgresql://u:x@h/se@cret",
                          "postgresql+asyncpg://u:secret@h/d?ssl=true"}) {
    const auto masked = masked_uri(uri);
    EXPECT_TRUE(masked == "***" || masked == "postgresql://***") << uri << " is shown as " << masked;
  }
}

TEST(RefuseUri, TakesWhatLibpqTakes) {
  for (const char* uri :
       {"postgresql://test:1234567890@127.0.0.1:5432/test", "postgres://u:p%40ss@h", "postgresql://",
        "postgresql:///d?host=/var/run/postgresql", "postgresql://[2001:db8::1]:5432/d", "postgresql://a:1,b:2/d",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/d", "postgresql://h/d?target_session_attrs=read-write&ssl=true",
        "postgresql://h:/d", "postgresql://h/d?", "host=h port=5432 dbname='a b' user=u password='x=y'", "service=x",
        "host = h"}) {
    EXPECT_EQ(refuse_uri(uri), std::nullopt) << uri;
  }
}

TEST(RefuseUri, SaysWhatIsWrongWithoutQuotingIt) {
  for (const char* uri :
       {"", "canary", "canary://h/d", "http://u:canary@h", "postgresql://u:can/ary@h/d", "postgresql://u:can@ary@h",
        "postgresql://u:canary%4@h", "postgresql://u:canary%00@h", "postgresql://h:canary/d", "postgresql://h:70000/d",
        "postgresql://h:0/d", "postgresql://[::1/canary", "postgresql://h/d?canary", "postgresql://h/d?canary=1",
        "postgresql://h/d?user=a=canary", "host=h canary", "host=h canary=1", "password='canary"}) {
    const auto refusal = refuse_uri(uri);
    ASSERT_TRUE(refusal) << uri;
    EXPECT_EQ(refusal->find("canary"), std::string::npos) << *refusal;
    EXPECT_NE(refusal->find("postgresql://USER:PASSWORD@HOST:5432/DATABASE"), std::string::npos) << *refusal;
  }
}

}  // namespace
}  // namespace monitor::exporter
