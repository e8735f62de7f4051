/// Nothing that holds a secret shows it, however it is printed.
import Foundation
import Onboarding
import Postgres
import Testing

@testable import OnboardingRuntime

@Suite struct SecretTests {
    private static let canary = "canary51c2"

    private struct Holder: Error, CustomNSError {
        var one = Secret(canary)
        var many = [Secret(canary)]
        var named = ["key": Secret(canary)]
        var perhaps: Secret? = Secret(canary)
        var either = Result<Secret, any Error>.success(Secret(canary))
    }

    /// Every way in which Swift makes a text of a value without being told how.
    private func texts(of value: Any) -> [String] {
        var dumped = ""
        dump(value, to: &dumped)
        var printed = ""
        print(value, to: &printed)
        var debugged = ""
        debugPrint(value, to: &debugged)
        return [
            dumped, printed, debugged, "\(value)", String(describing: value), String(reflecting: value),
            mirrored(value),
        ]
    }

    /// All that mirrors show, down to the leaves.
    private func mirrored(_ value: Any) -> String {
        let children = Mirror(reflecting: value).children
        return children.isEmpty ? "\(value)" : children.map { "\($0.label ?? "") \(mirrored($0.value))" }.joined()
    }

    @Test func `A secret and whatever holds one shows nothing of it`() throws {
        let fields = [
            GraphRequest.Field("code", Secret(Self.canary)), .init("data", [.init("pin", Secret(Self.canary))]),
        ]
        let request = GraphRequest(.exchangeCode, .post, path: "1", query: fields, body: .json(fields), token: .none)
        let credentials = Credentials(
            appID: "1",
            appSecret: Secret(Self.canary),
            systemToken: Secret(Self.canary),
            businessToken: Secret(Self.canary)
        )
        let ring = try SampleKeys.ring(Self.canary)
        let settings = try WorkerSettings(
            sources: SettingSources(environment: [
                "EMBARK_APP_SECRET": Self.canary, "EMBARK_SYSTEM_TOKEN": Self.canary,
                "EMBARK_SEALING_KEYS": SampleKeys.jwkSet([
                    ("a", Array(Self.canary.utf8) + Array(repeating: 0, count: 22))
                ]),
                "EMBARK_DATABASE_URL": "postgresql://worker:\(Self.canary)@db/embark",
                "EMBARK_DIRECT_DATABASE_URL": "postgresql://worker:\(Self.canary)@direct/embark",
            ])
        )
        let doctor = try DoctorSettings(
            sources: SettingSources(environment: [
                "EMBARK_APP_SECRET": Self.canary, "EMBARK_SYSTEM_TOKEN": Self.canary,
            ])
        )
        var options = try settings.workerConnectionOptions()
        // The server shows a session's options to others, and logs them.
        #expect(options.environment["PGOPTIONS"]?.contains(Self.canary) != true)
        options.sessionSettings = WorkerSettings.stablePlans
        #expect(options.environment["PGOPTIONS"]?.contains("plan_cache_mode") == true)
        #expect(options.environment["PGOPTIONS"]?.contains(Self.canary) == false)
        let all: [Any] = [
            Secret(Self.canary), Holder(), [Holder()], request, credentials, settings, doctor, options,
            Facts(businessToken: Secret(Self.canary)), ring.keys.map(\.key), KeyRing.newKeySet(id: "a"),
        ]
        for value in all {
            for text in texts(of: value) {
                #expect(!text.contains(Self.canary), "\(type(of: value))")
                #expect(!text.contains(#""k":"#))
            }
        }
        let error = Holder() as NSError
        #expect(!(error.description + error.localizedDescription + "\(error.userInfo)").contains(Self.canary))
    }

    @Test func `A secret cannot be encoded, and is equal by its text alone`() {
        let type: Any.Type = Secret.self
        #expect(!(type is any Encodable.Type) && !(type is any Decodable.Type))
        #expect(!(type is any LosslessStringConvertible.Type) && !(type is any Hashable.Type))
        #expect(!JSONSerialization.isValidJSONObject(["secret": Secret(Self.canary)]))
        #expect(Secret("a") == Secret("a") && Secret("a") != Secret("b"))
        #expect("\(Secret("a"))" == "[secret]")
    }
}
